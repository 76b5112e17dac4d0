"""The choices of config groups as plain data, read without Hydra, and which of them suits given values."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ftcore.config import plain_yaml
from ftcore.config.groups import conf_dir
from ftcore.config.nested import flat, merge

OWN = "custom"
"""The choice for what no other one stands for."""

Node = dict[str, Any]


@cache
def choices(group: str) -> dict[str, Node]:
    """Every choice of `group` with what it holds, interpolations as text; names with `_` are parts."""
    folder = conf_dir() / group
    names = sorted(file.stem for file in folder.glob("*.yaml"))
    return {name: _composed(folder, name) for name in names if not name.startswith("_")}


def nearest_choice(group: str, wanted: Mapping[str, Any], among: list[str]) -> str:
    """The choice that leaves the fewest of `wanted` (dotted keys below the group) to be overridden."""
    return min(among, key=lambda name: (_missed(choices(group)[name], wanted), name))


def model_choice(wanted: Mapping[str, Any]) -> str:
    """The group of that very model; `custom` for a path that none has."""
    same = [name for name, node in choices("model").items() if node.get("path") == wanted["path"]]
    return nearest_choice("model", wanted, same or [OWN])


def data_choice(wanted: Mapping[str, Any]) -> str:
    """A group of the same sources: forms and hub ids alike; where local files lie is the user's to say."""
    target = identities(wanted)
    same = [name for name, node in choices("data").items() if identities(node) == target]
    return nearest_choice("data", wanted, same or [OWN])


def identities(data: Mapping[str, Any]) -> list[tuple[Any, Any, Any]]:
    """What the sources of a data node are, in order: form, hub, and the id on it."""
    sources = [data, *data.get("mix", {}).values()]
    return [
        (each.get("format"), each.get("hub"), each["path"] if each.get("hub") else None) for each in sources
    ]


def _missed(node: Node, wanted: Mapping[str, Any]) -> int:
    held = flat(node)
    return sum(1 for key, value in flat(wanted).items() if not _stands(held.get(key), value))


def _stands(held: Any, value: Any) -> bool:
    # Where an interpolation leads is not known here; mostly it leads to what is wanted.
    return held == value or (isinstance(held, str) and held.startswith("${"))


def _composed(folder: Path, name: str) -> Node:
    """A choice with the parts that its defaults list names (`part` or `part@key.below`)."""
    own = plain_yaml.load(folder / f"{name}.yaml") or {}
    result: Node = {}
    for part in own.pop("defaults", ["_self_"]):
        source, _, below = part.partition("@")
        inner = own if source == "_self_" else _composed(folder, source)
        for key in reversed(below.split(".") if below else []):
            inner = {key: inner}
        merge(result, inner)
    return result
