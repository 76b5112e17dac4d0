"""A composed configuration -> plain resolved data -> the typed Experiment, with every problem told."""

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ftcore.config.errors import Problem, nearest, shortened
from ftcore.config.fields import fields
from ftcore.config.overrides import node_at
from ftcore.config.schema import Experiment

ALIAS = re.compile(r"^\$\{([\w.]+)\}$")


def resolve(config: DictConfig) -> tuple[dict[str, Any] | None, list[Problem]]:
    """`config` as plain data with every interpolation resolved, or every value that is missing or broken."""
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True), []  # type: ignore[return-value]
    except OmegaConfBaseException:
        found = list(_unresolved(config, "", config))
        by_key = {problem.key: problem for _, problem in found}
        # Of a key and those that repeat it, what the key itself has is what people typed.
        by_key |= {problem.key: problem for own, problem in found if own == problem.key}
        return None, list(by_key.values())


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
        by_key: dict[str, list[ErrorDetails]] = {}
        for item in error.errors(include_url=False):
            by_key.setdefault(_typed_key(_key(item, plain), config), []).append(item)
        return None, [_problem(key, items) for key, items in by_key.items()]


def _unresolved(node: Any, key: str, root: DictConfig) -> Iterator[tuple[str, Problem]]:
    """Key and problem of each value below `node` that is missing or cannot be resolved."""
    if node is None or node._is_none():
        return
    if node._is_missing():
        yield key, Problem(key, "must be given")
    elif node._is_interpolation():
        try:
            node._dereference_node()
        except InterpolationToMissingValueError:
            return  # told of the key that is missing
        except OmegaConfBaseException as error:
            reason = str(error).splitlines()[0]
            yield key, Problem(_typed_key(key, root), f"cannot resolve {node._value()} ({reason})")
    elif isinstance(node, DictConfig):
        for name, child in node._content.items():
            yield from _unresolved(child, f"{key}.{name}" if key else str(name), root)
    elif isinstance(node, ListConfig):
        for index, child in enumerate(node._content):
            yield from _unresolved(child, f"{key}.{index}", root)


def _key(item: ErrorDetails, plain: Any) -> str:
    """Dotted key of a pydantic error, without the union tags that are no keys of the data."""
    parts, node = [], plain
    for i, part in enumerate(item["loc"]):
        is_key = isinstance(node, dict) and part in node
        is_index = isinstance(node, list) and isinstance(part, int) and part < len(node)
        absent = item["type"] == "missing" and i == len(item["loc"]) - 1
        if is_key or is_index or absent:
            parts.append(str(part))
            node = node[part] if not absent else None
    if item["type"].startswith("union_tag"):
        parts.append(item["ctx"]["discriminator"].strip("'"))
    return ".".join(parts)


def _typed_key(key: str, config: DictConfig | None, seen: tuple[str, ...] = ()) -> str:
    node = node_at(config, key) if config is not None and key else None
    alias = ALIAS.match(str(node._value())) if node is not None and node._is_interpolation() else None
    if alias is None or alias[1] in seen or node_at(config, alias[1]) is None:
        return key
    return _typed_key(alias[1], config, (*seen, key))


def _problem(key: str, items: list[ErrorDetails]) -> Problem:
    kind, given = items[0]["type"], items[0].get("input")
    shown = shortened(repr(given))
    if kind == "extra_forbidden":
        return Problem(key, "no such key", nearest=nearest(key, fields()))
    if kind in ("missing", "union_tag_not_found"):
        return Problem(key, "missing")
    if kind == "union_tag_invalid":
        tag, tags = str(items[0]["ctx"]["tag"]), items[0]["ctx"]["expected_tags"].replace("'", "")
        return Problem(key, f"{tag!r} is not allowed", tags, nearest(tag, tags.split(", ")))
    if kind == "string_pattern_mismatch" and key in fields():
        return Problem(key, f"{shown} is not allowed", fields()[key].description or "")
    allowed = [str(i["ctx"]["expected"]) for i in items if i["type"] == "literal_error"]
    if allowed:
        choices = re.findall(r"'([^']+)'", allowed[0])
        if len(items) > len(allowed):
            allowed.append(_bound(items))
        near = nearest(str(given), choices)
        return Problem(key, f"{shown} is not allowed", ", ".join(allowed).replace("'", ""), near)
    messages = dict.fromkeys(item["msg"].removeprefix("Input ") for item in items)
    return Problem(key, f"{' or '.join(messages)}; got {shown}")


def _bound(items: list[ErrorDetails]) -> str:
    """What numbers are allowed beside the choices, as far as the errors tell."""
    contexts = [item["ctx"] for item in items if "ctx" in item]
    for name, words in (("ge", "or more"), ("le", "or less")):
        if ends := [context[name] for context in contexts if name in context]:
            return f"a number, {ends[0]:g} {words}"
    over = [context["gt"] for context in contexts if "gt" in context]
    return f"a number over {over[0]:g}" if over else "a number"
