"""Many flat records as columns, and columns as text that is quick to read in part.

Of the hundreds of keys of a record most are equal in all runs of a folder, and a listing asks for ten. So
each key is a line of its own, its distinct values written once; a reader takes apart the lines it needs.
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.runs.flat import Flat

VERSION = 1

Stamp = tuple[int, int, int]
"""Size, modification time in ns, and inode of a record file."""


class Unreadable(Exception):
    """The text is of another version, torn or spoilt."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One key's values in all rows: the distinct ones, and each row's place among them.

    No places where all rows are alike, or no two.
    """

    distinct: list[Any]
    codes: list[int] | None

    def values(self, rows: int) -> list[Any]:
        if self.codes is None:
            return self.distinct * rows if len(self.distinct) == 1 else self.distinct
        distinct = self.distinct
        return [distinct[code] for code in self.codes]


def encode(values: Sequence[Any]) -> Encoded:
    """`values` with each distinct one kept once; 1, 1.0 and True are three."""
    kinds = {*map(type, values)}
    # Values of one kind, or none, are told apart by themselves.
    marks = values if len(kinds - {type(None)}) < 2 and list not in kinds else [*map(repr, values)]
    distinct = dict(zip(marks, values, strict=True))
    if len(distinct) < 2 or len(distinct) == len(values):
        return Encoded([*distinct.values()], None)
    place = {mark: number for number, mark in enumerate(distinct)}
    return Encoded([*distinct.values()], [*map(place.__getitem__, marks)])


class Columns:
    """Rows of flat records by key, taken apart one key at a time. A row is known by its run's path."""

    def __init__(self, lines: Sequence[bytes], keys: Sequence[str], paths: list[str], stamps: list[Stamp]):
        self._lines = dict(zip(keys, lines, strict=True))
        self.paths, self.stamps = paths, stamps

    @property
    def keys(self) -> Iterable[str]:
        return self._lines.keys()

    def values(self, key: str) -> list[Any]:
        """The values of `key`, one a row; None where a row has none."""
        line = self._lines.get(key)
        if line is None:
            return [None] * len(self.paths)
        distinct, codes = json.loads(line)
        return Encoded(distinct, codes).values(len(self.paths))


EMPTY = Columns((), (), [], [])


def to_text(
    columns: Iterable[tuple[str, Sequence[Any]]], paths: Sequence[str], stamps: Sequence[Stamp]
) -> bytes:
    """`columns` (key and values, one a row) as text; `from_text` gives them back."""
    keys, lines = [], [_json(paths), _json(stamps)]
    for key, values in columns:
        encoded = encode(values)
        keys.append(key)
        lines.append(_json([encoded.distinct, encoded.codes]))
    body = b"\n".join(lines)
    return _json({"version": VERSION, "crc32": zlib.crc32(body), "keys": keys}) + b"\n" + body


def from_text(text: bytes) -> Columns:
    """Raises Unreadable where `text` is not whole, or not of this version."""
    first, _, body = text.partition(b"\n")
    try:
        head = json.loads(first)
        if head["version"] != VERSION or head["crc32"] != zlib.crc32(body):
            raise Unreadable
        paths, stamps, *lines = body.split(b"\n")
        return Columns(lines, head["keys"], json.loads(paths), [tuple(one) for one in json.loads(stamps)])
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable from error


class Growing:
    """Columns under construction."""

    def __init__(self) -> None:
        self.rows = 0
        self.columns: dict[str, list[Any]] = {}

    def add(self, flats: Sequence[Flat]) -> range:
        """Add rows; their numbers."""
        added = range(self.rows, self.rows + len(flats))
        for key in dict.fromkeys(key for one in flats for key in one):
            if key not in self.columns:
                self.columns[key] = [None] * self.rows
        for key, column in self.columns.items():
            column += [one.get(key) for one in flats]
        self.rows = added.stop
        return added

    def values(self, key: str) -> list[Any]:
        return self.columns.get(key) or [None] * self.rows


def _json(value: Any) -> bytes:
    # ASCII, so that no value brings a line end of its own, nor half a character.
    return json.dumps(value, separators=(",", ":")).encode("ascii")
