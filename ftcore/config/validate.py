"""A composed configuration -> plain resolved data -> the typed Experiment, with every problem told."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from ftcore.config.errors import Problem, nearest
from ftcore.config.overrides import node_at
from ftcore.config.schema import Experiment

ALIAS = re.compile(r"^\$\{([\w.]+)\}$")


def resolve(config: DictConfig) -> tuple[dict[str, Any] | None, list[Problem]]:
    """`config` as plain data with every interpolation resolved, or every value that is missing or broken."""
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True), []  # type: ignore[return-value]
    except OmegaConfBaseException:
        by_key = {problem.key: problem for problem in reversed(list(_unresolved(config, "", config)))}
        return None, list(reversed(by_key.values()))


def validate(
    plain: dict[str, Any], config: DictConfig | None = None
) -> tuple[Experiment | None, list[Problem]]:
    """The typed experiment of `plain`, or what keeps it from being one.

    With `config` (unresolved), a value that only repeats another key (`optim.lr: ${lr}`) is reported under
    the key that people type.
    """
    try:
        return Experiment.model_validate(plain), []
    except ValidationError as error:
        by_key: dict[str, list[dict[str, Any]]] = {}
        for item in error.errors(include_url=False):
            key = _key(item["loc"], plain, item["type"])
            by_key.setdefault(_typed_key(key, config), []).append(item)
        return None, [_problem(key, items) for key, items in by_key.items()]


def field_names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted field name under `model`."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for part in _models(field.annotation):
            yield from field_names(part, f"{prefix}{name}.")


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]


def _unresolved(node: Any, key: str, root: DictConfig) -> Iterator[Problem]:
    """A problem for each value below `node` that is missing or whose interpolation cannot be resolved."""
    if node is None or node._is_none():
        return
    if node._is_missing():
        yield Problem(key, "must be given")
    elif node._is_interpolation():
        try:
            node._dereference_node()
        except OmegaConfBaseException as error:
            reason = str(error).splitlines()[0]
            yield Problem(_typed_key(key, root), f"cannot resolve {node._value()} ({reason})")
    elif isinstance(node, DictConfig):
        for name, child in node._content.items():
            yield from _unresolved(child, f"{key}.{name}" if key else str(name), root)
    elif isinstance(node, ListConfig):
        for index, child in enumerate(node._content):
            yield from _unresolved(child, f"{key}.{index}", root)


def _key(loc: tuple[Any, ...], plain: Any, kind: str) -> str:
    """Dotted key of a pydantic location, without the union tags that are no keys of the data."""
    parts, node = [], plain
    for i, part in enumerate(loc):
        is_key = isinstance(node, dict) and part in node
        is_index = isinstance(node, list) and isinstance(part, int) and part < len(node)
        absent = kind == "missing" and i == len(loc) - 1
        if is_key or is_index or absent:
            parts.append(str(part))
            node = node[part] if not absent else None
    return ".".join(parts)


def _typed_key(key: str, config: DictConfig | None) -> str:
    node = node_at(config, key) if config is not None and key else None
    alias = ALIAS.match(str(node._value())) if node is not None and node._is_interpolation() else None
    return _typed_key(alias[1], config) if alias and node_at(config, alias[1]) is not None else key


def _problem(key: str, items: list[dict[str, Any]]) -> Problem:
    kind, given = items[0]["type"], items[0].get("input")
    if kind == "extra_forbidden":
        return Problem(key, "no such key", nearest=nearest(key, field_names(Experiment)))
    if kind == "missing":
        return Problem(key, "missing")
    allowed = [str(i["ctx"]["expected"]) for i in items if i["type"] == "literal_error"]
    if allowed:
        message = f"{given!r} is not allowed"
        if len(items) > len(allowed):
            allowed.append("a number")
        choices = re.findall(r"'([^']+)'", allowed[0])
        return Problem(key, message, ", ".join(allowed).replace("'", ""), nearest(str(given), choices))
    messages = dict.fromkeys(item["msg"].removeprefix("Input ") for item in items)
    return Problem(key, f"{' or '.join(messages)}; got {given!r}")
