"""Differences between runs (`ftcore.repeat.compare`) as cells of tables."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.report import format as fmt

HEADINGS = {"config": "Configuration", "code": "Code", "environment": "Software", "machine": "Hardware"}
TOLD_ELSEWHERE = {"results": None, "config": ("name",)}
"""Section -> keys that the page shows in another place; None: all of them."""

FOLDED_FROM = 16
"""Rows from which a table is folded, so that forty packages do not hide what was changed on purpose."""

HASH = re.compile(r"[0-9a-f]{32,64}")
SHOWN_OF_HASH = 12


@dataclass(frozen=True)
class Value:
    """A value as text; `whole` where the text is a part of it, `other` where the first run has another."""

    text: str
    other: bool
    whole: str = ""
    code: bool = False


@dataclass(frozen=True)
class Section:
    """A table: dotted keys, and a value of each run."""

    heading: str
    rows: tuple[tuple[str, tuple[Value, ...]], ...]

    @property
    def folded(self) -> bool:
        return len(self.rows) >= FOLDED_FROM


def sections(differences: Mapping[str, Mapping[str, Sequence[Any]]]) -> tuple[Section, ...]:
    """The tables, those with nothing in them left out; names and values come from records and may be odd."""
    found = []
    for name, rows in differences.items():
        elsewhere = TOLD_ELSEWHERE.get(name, ())
        if elsewhere is None:
            continue
        kept = tuple((fmt.text(key), _values(row)) for key, row in rows.items() if key not in elsewhere)
        if kept:
            found.append(Section(HEADINGS.get(name, fmt.text(name).capitalize()), kept))
    return tuple(found)


def _values(row: Sequence[Any]) -> tuple[Value, ...]:
    return tuple(_value(one, one != row[0]) for one in row)


def _value(value: Any, other: bool) -> Value:
    if value is None or value == "":
        return Value(fmt.MISSING, other)
    if isinstance(value, float):
        return Value(fmt.significant(value, 6), other)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = fmt.text(text)
    if HASH.fullmatch(text):
        return Value(f"{text[:SHOWN_OF_HASH]}…", other, text, code=True)
    return Value(text, other)
