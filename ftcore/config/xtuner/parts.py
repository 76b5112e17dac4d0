"""Looking into a configuration that people wrote: any part of it may be absent, or of another type."""

from collections.abc import Mapping
from typing import Any


def at(config: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path; `default` where there is none."""
    for name in path.split("."):
        if isinstance(config, Mapping) and name in config:
            config = config[name]
        elif isinstance(config, list) and name.isdigit() and int(name) < len(config):
            config = config[int(name)]
        else:
            return default
    return config


def mapping(value: Any) -> dict[str, Any]:
    """`value` itself where it is a dict, an empty one where it is anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any] | None:
    """`value` where it is a list."""
    return value if isinstance(value, list) else None


def number(value: Any) -> float | None:
    """`value` where it is a number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def count(value: Any) -> int | None:
    """`value` where it is a whole number from 1."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def named(table: Mapping[str, str], value: Any, default: str) -> str:
    """What `table` has for `value`, which may be unfit to be a key."""
    return table.get(value, default) if isinstance(value, str) else default
