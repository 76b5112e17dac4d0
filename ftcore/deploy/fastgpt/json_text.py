"""JSON as text: where its parts stand, so that one can be put in without touching the others. Pure.

Numbers, spacing and the order of keys of everything else stay as somebody wrote them.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

BLANK = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class Part:
    """A value, and where it stands: `text[start:end]`; `key` is empty in an array."""

    key: str
    start: int
    end: int
    value: Any


def parsed(text: str) -> Any:
    """The value of a whole document. ValueError says where and why: no JSON, a key twice, NaN."""
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)


def parts(text: str, start: int) -> list[Part]:
    """Members of the object, or items of the array, that begins at `text[start]`, of a parsed document."""
    closing = "}" if text[start] == "{" else "]"
    found, at = [], _after_blank(text, start + 1)
    while text[at] != closing:
        key = ""
        if closing == "}":
            key, at = _value(text, at)
            at = _after_blank(text, _after_blank(text, at) + 1)  # past the colon
        value, end = _value(text, at)
        found.append(Part(key, at, end, value))
        at = _after_blank(text, end)
        if text[at] == ",":
            at = _after_blank(text, at + 1)
    return found


def first(text: str) -> int:
    """Where the document's value begins."""
    return _after_blank(text, 0)


def replaced(text: str, part: Part, value: Any) -> str:
    """`text` with another value in the place of `part`."""
    return text[: part.start] + _written(value, _indent(text, part.start), _step(text)) + text[part.end :]


def appended(text: str, array: Part, value: Any) -> str:
    """`text` with one more item at the end of an array."""
    items, step = parts(text, array.start), _step(text)
    if items:
        inner = _indent(text, items[-1].start)
        return text[: items[-1].end] + f",\n{inner}{_written(value, inner, step)}" + text[items[-1].end :]
    outer = _indent(text, array.start)
    item = _written(value, outer + step, step)
    return text[: array.start] + f"[\n{outer}{step}{item}\n{outer}]" + text[array.end :]


def removed(text: str, array: Part, item: Part) -> str:
    """`text` without one item of an array."""
    items = parts(text, array.start)
    index = [one.start for one in items].index(item.start)
    if len(items) == 1:
        return text[: array.start] + "[]" + text[array.end :]
    if index == 0:
        return text[: item.start] + text[items[1].start :]
    return text[: items[index - 1].end] + text[item.end :]


def _value(text: str, at: int) -> tuple[Any, int]:
    return json.JSONDecoder().raw_decode(text, at)


def _after_blank(text: str, at: int) -> int:
    return BLANK.match(text, at).end()  # type: ignore[union-attr]


def _indent(text: str, at: int) -> str:
    """The blanks that the line of `text[at]` begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _step(text: str) -> str:
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else "  "


def _written(value: Any, indent: str, step: str) -> str:
    return json.dumps(value, indent=step, ensure_ascii=False).replace("\n", f"\n{indent}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
