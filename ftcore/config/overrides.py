"""Overrides in Hydra's grammar: read, told apart into group choices and values, applied as data.

A group choice changes which files are composed, so it goes to Hydra. A value changes one key of what was
composed, so it is set on a copy: many trials then share one composition (a thousand of them take seconds).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf._utils import split_key
from omegaconf.errors import OmegaConfBaseException

from ftcore.config.errors import Problem, nearest


@dataclass(frozen=True, slots=True)
class Overrides:
    """Overrides by what they do."""

    groups: tuple[Override, ...]
    values: tuple[Override, ...]
    hydra: tuple[str, ...]
    """`hydra.*` overrides, passed on as typed."""


def parse(texts: Sequence[str], groups: dict[str, tuple[str, ...]]) -> tuple[Overrides, list[Problem]]:
    """Read `texts`; `groups` maps each config group to its choices. Wrong ones are left out and told."""
    parser = OverridesParser.create()
    chosen: list[Override] = []
    values: list[Override] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            problems.append(Problem(text, f"not an override ({str(error).splitlines()[0]})", "key=value"))
            continue
        if override.is_sweep_override():
            problems.append(
                Problem(override.key_or_group, "several values make a sweep", nearest=f"-m {text}")
            )
        elif override.key_or_group not in groups:
            values.append(override)
        elif problem := _wrong_choice(override, groups[override.key_or_group]):
            problems.append(problem)
        else:
            chosen.append(override)
    hydra = tuple(o.input_line or "" for o in values if o.key_or_group.split(".")[0] == "hydra")
    values = [o for o in values if o.key_or_group.split(".")[0] != "hydra"]
    return Overrides(tuple(chosen), tuple(values), hydra), problems


def apply(config: DictConfig, values: Iterable[Override]) -> list[Problem]:
    """Set each value on `config` in place, as Hydra would; what cannot be set is told."""
    return [problem for override in values if (problem := _set(config, override))]


def node_at(config: Any, key: str) -> Any:
    """The unresolved OmegaConf node at the dotted `key`, or None where there is none."""
    node = config
    for part in split_key(key):
        content = node._content if isinstance(node, (DictConfig, ListConfig)) else None
        if isinstance(content, dict) and part in content:
            node = content[part]
        elif isinstance(content, list) and part.isdigit() and int(part) < len(content):
            node = content[int(part)]
        else:
            return None
    return node


def restore(config: DictConfig, untouched: DictConfig, key: str) -> None:
    """Give `key` of `config` the value it has in `untouched` (lists whole), or drop it."""
    parent, _, name = key.rpartition(".")
    holder = node_at(config, parent) if parent else config
    if isinstance(holder, ListConfig):
        restore(config, untouched, parent)
    elif isinstance(holder, DictConfig):
        original = node_at(untouched, key)
        with open_dict(config):
            if original is not None:
                value = original if OmegaConf.is_config(original) else original._value()
                OmegaConf.update(config, key, value, merge=False)
            elif node_at(config, key) is not None:
                del holder[name]


def leaf_keys(config: DictConfig, prefix: str = "") -> list[str]:
    """Every dotted key, sections included, in the order of the files."""
    keys = []
    for name in config:
        keys.append(f"{prefix}{name}")
        node = config._get_node(name)
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_interpolation():
            keys += leaf_keys(node, f"{prefix}{name}.")
    return keys


def _wrong_choice(override: Override, choices: tuple[str, ...]) -> Problem | None:
    if override.is_delete():
        return Problem(override.key_or_group, "a group cannot be left out", ", ".join(choices))
    choice = override.value()
    if choice is None and override.key_or_group == "experiment":
        return None
    if choice in choices:
        return None
    message = f"no choice named {choice!r}"
    return Problem(override.key_or_group, message, ", ".join(choices), nearest(str(choice), choices))


def _set(config: DictConfig, override: Override) -> Problem | None:
    key, exists = override.key_or_group, node_at(config, override.key_or_group) is not None
    if not exists and not (override.is_add() or override.is_force_add()):
        near = nearest(key, leaf_keys(config))
        return Problem(key, "no such key", nearest=near)
    try:
        if override.is_delete():
            parent, _, name = key.rpartition(".")
            node = OmegaConf.select(config, parent) if parent else config
            with open_dict(config):
                del node[name]
        else:
            with open_dict(config):
                value = override.value()
                replace = isinstance(value, (dict, list)) and not value
                OmegaConf.update(config, key, value, merge=not replace, force_add=True)
    except (OmegaConfBaseException, TypeError, ValueError) as error:
        return Problem(key, str(error).splitlines()[0])
    return None
