"""Mappings within mappings, by dotted keys."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any


def flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of everything in `node`; an empty mapping is a value."""
    found: dict[str, Any] = {}
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def put(root: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key of `root`, making the mappings on the way."""
    *parents, last = key.split(".")
    for name in parents:
        root = root.setdefault(name, {})
    root[last] = value


def merge(into: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Merge `given` into `into` key by key; anything but a mapping, a list too, takes the place of what was
    there. Nothing is shared with `given` afterwards."""
    for name, value in given.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            merge(into[name], value)
        else:
            into[name] = deepcopy(value)
