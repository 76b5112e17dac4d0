"""A few rows from all over a source's files, without reading the rest."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import BinaryIO

from ftcore.data.errors import DataError
from ftcore.data.sources import FORMATS, Record
from ftcore.data.sources.files import json_records, line_records

ROWS, BYTES = 128, 256 * 1024
"""At most so many rows, of about so many bytes in all: what tokenises in a tenth of a second."""

COUNTED = 32 * 1024**2
"""Files up to here are read for their rows to be counted."""

LONGEST = 4 * 1024**2
"""A line over this is passed over."""

FILES = 16
"""JSON lists whose beginnings are looked at."""

DOCUMENT = 32 * 1024
"""Bytes that are looked at of a file that is one document."""


@dataclass(frozen=True, slots=True)
class Spread:
    """records: those drawn. rows: how many the files have, None where that was not counted. bytes: of all
    rows. whole: every row was drawn. head: only the files' beginnings were looked at (JSON lists, into whose
    middle nobody can jump)."""

    records: tuple[Record, ...]
    rows: int | None
    bytes: int
    whole: bool
    head: bool = False


def spread(format: str, files: Sequence[Path]) -> Spread:
    """Rows evenly far apart, the same ones at every call; DataError for a file that cannot be read."""
    sizes = [_size(path) for path in files]
    if sum(sizes) <= BYTES:
        records = tuple(FORMATS[format].records(files))
        return Spread(records, len(records), sum(record.size for record in records), whole=True)
    if all(path.suffix == ".txt" for path in files) and format == "text":
        records = tuple(_document(files[at]) for at in _places(len(files)))
        return Spread(records, len(files), sum(sizes), whole=False)
    if FORMATS[format].records is not line_records and any(_is_list(path) for path in files):
        return _beginnings(files, sizes)
    rows = sum(1 for _ in line_records(files)) if sum(sizes) <= COUNTED else None
    return Spread(tuple(_lines(files, sizes)), rows, sum(sizes), whole=False)


def of_records(records: Sequence[Record]) -> Spread:
    """Of rows that are all there already."""
    every = sum(record.size for record in records)
    if every <= BYTES:
        return Spread(tuple(records), len(records), every, whole=True)
    drawn = tuple(records[at] for at in _places(len(records)))
    return Spread(drawn, len(records), every, whole=False)


def _lines(files: Sequence[Path], sizes: Sequence[int]) -> Iterator[Record]:
    """The lines that follow places evenly far apart: of a line's own length none of them depends."""
    starts = [0, *accumulate(sizes)]
    seen: set[tuple[int, int]] = set()
    drawn = 0
    for place in _places(ROWS):
        at = sum(sizes) * place // ROWS
        number = max(n for n, start in enumerate(starts[:-1]) if start <= at)
        with _opened(files[number]) as file:
            begins, line = _next_line(file, at - starts[number])
        if not line or line.isspace() or (number, begins) in seen:
            continue
        seen.add((number, begins))
        drawn += len(line)
        yield Record(str(files[number]), 0, line, len(line))
        if drawn >= BYTES:
            return


def _next_line(file: BinaryIO, at: int) -> tuple[int, bytes]:
    """Where the next line begins, and the line; nothing where there is none, or one over LONGEST."""
    file.seek(at)
    if at:
        file.readline(LONGEST)
    begins = file.tell()
    line = file.readline(LONGEST)
    return begins, b"" if len(line) == LONGEST else line


def _places(count: int) -> list[int]:
    """Up to ROWS numbers below `count`, in an order of which every beginning is spread as well: that of the
    digits of ROWS places, reversed."""
    bits = (ROWS - 1).bit_length()
    order = (int(f"{n:0{bits}b}"[::-1], 2) for n in range(ROWS))
    return list(dict.fromkeys(place * count // ROWS for place in order))


def _beginnings(files: Sequence[Path], sizes: Sequence[int]) -> Spread:
    """An even share of rows from each file's beginning, of as many files as it takes."""
    records: list[Record] = []
    places = _places(len(files))[:FILES]
    for at in places:
        room = BYTES // len(places)
        for record in islice(json_records([files[at]]), ROWS // len(places)):
            records.append(record)
            room -= record.size
            if room <= 0:
                break
    return Spread(tuple(records), None, sum(sizes), whole=False, head=True)


def _document(path: Path) -> Record:
    """The beginning of a document, as one that came in a line."""
    with _opened(path) as file:
        text = file.read(DOCUMENT).decode("utf-8", errors="ignore")
    return Record(str(path), 1, {"text": text}, len(text.encode()))


def _is_list(path: Path) -> bool:
    with _opened(path) as file:
        return file.read(64).lstrip()[:1] == b"["


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _opened(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
