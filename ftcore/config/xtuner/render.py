"""A configuration of literals -> the text of a Python file that mmengine reads."""

import re
import unicodedata
from keyword import iskeyword
from typing import Any

WIDTH = 100
INDENT = "    "
SUBSTITUTED = re.compile(r"\{\{(?=[\s'\"\\]*(?:\$|file|_base_))")
"""mmengine replaces `{{ fileBasename }}`, `{{$HOME:x}}` and `{{ _base_.x }}` anywhere in a file's text."""


def render(config: dict[str, Any], header: str = "", known: dict[str, str] | None = None) -> str:
    """`config` as `name = value` lines, nested dicts as `dict(...)`, under `header` as comment lines.

    Of literals, lists, and dicts with text keys alone. `known` keeps lines for the next call, where many
    configurations have most of them in common.
    """
    lines = [f"# {_comment(line)}".rstrip() for line in header.splitlines()]
    known = {} if known is None else known
    for name, value in config.items():
        key = f"{name} = {value!r}"
        if key not in known:
            known[key] = f"{name} = {_value(value, '', len(name) + 3)}"
        lines.append(known[key])
    return "\n".join(lines) + "\n"


def _comment(line: str) -> str:
    """`line` without what Python refuses in a file, or mmengine replaces."""
    return SUBSTITUTED.sub("{ {", "".join(one if one.isprintable() else " " for one in line))


def _value(value: Any, indent: str, used: int) -> str:
    flat = _flat(value)
    if len(indent) + used + len(flat) <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return flat
    inner = indent + INDENT
    opening, closing, labels = _brackets(value)
    items = [
        f"{inner}{label}{_value(item, inner, len(label) + 1)},\n"
        for label, item in zip(labels, _items(value), strict=True)
    ]
    return f"{opening}\n{''.join(items)}{indent}{closing}"


def _flat(value: Any) -> str:
    if not isinstance(value, (dict, list)):
        return SUBSTITUTED.sub(r"{\\x7b", repr(value))
    opening, closing, labels = _brackets(value)
    items = (label + _flat(item) for label, item in zip(labels, _items(value), strict=True))
    return f"{opening}{', '.join(items)}{closing}"


def _items(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _stays_itself(name: str) -> bool:
    """Whether `dict(NAME=...)` has that key: Python takes another letter for some (the micro sign for mu)."""
    return name.isidentifier() and not iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def _brackets(value: dict[str, Any] | list[Any]) -> tuple[str, str, list[str]]:
    """What opens and closes `value`, and what stands before each of its items."""
    if isinstance(value, list):
        return "[", "]", [""] * len(value)
    if all(map(_stays_itself, value)):
        return "dict(", ")", [f"{name}=" for name in value]
    return "{", "}", [f"{name!r}: " for name in value]
