"""What `ls` remembers of records: a cache in `runs_dir/.index/`, never needed and never the truth.

Readers make it. A run's row holds as long as its record file has the size, time and inode it was read with;
every write of a record is a rename, so that a changed record has another inode.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ftcore.listing.columns import EMPTY, Columns, Stamp, Unreadable, from_text, to_text
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.flat import Flat, Memory, flat

PLACE = Path(".index") / "columns.1"

REWRITE_AT = 64
"""New or changed records that make a rewrite worth its while: reading fewer takes less time than writing."""

SETTLED_NS = 2_000_000_000
"""A record younger than this is not remembered: inodes are used again, and within one tick of the file
system's clock two writes of one size could look like none."""

NEVER: Stamp = (-1, 1 << 62, -1)
"""The stamp of a row that says more than its record file does."""

UNREADABLE = "unreadable"
"""State of a run whose record is no JSON object (a full disk, a hand-made file)."""


def load(runs_dir: Path) -> Columns:
    """The index, or an empty one where there is none that can be read."""
    try:
        return from_text((runs_dir / PLACE).read_bytes())
    except (OSError, Unreadable):
        return EMPTY


def save(
    runs_dir: Path,
    column: Callable[[str], list[Any]],
    keys: Iterable[str],
    paths: Sequence[str],
    stamps: Sequence[Stamp],
) -> None:
    """Replace the index in one step; in a folder that cannot be written there is none.

    `column` gives the values of a key, one a row. Rows whose record changed a moment ago are left out.
    """
    newest = time.time_ns() - SETTLED_NS
    kept = [row for row, stamp in enumerate(stamps) if stamp[1] < newest]
    columns = ((key, _of(column(key), kept)) for key in keys)
    text = to_text(columns, _of(paths, kept), _of(stamps, kept))
    target = runs_dir / PLACE
    temporary = target.with_name(f".{os.getpid()}.{time.time_ns()}.tmp")
    with suppress(OSError):
        try:
            target.parent.mkdir(exist_ok=True)
            temporary.write_bytes(text)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _of(values: Sequence[Any], rows: Sequence[int]) -> Sequence[Any]:
    return values if len(rows) == len(values) else [values[row] for row in rows]


def read(path: str) -> tuple[Stamp, bytes] | None:
    """A record file and the stamp of just that content; None where it is gone or closed to us."""
    try:
        with open(path, "rb") as file:
            return stamp(os.fstat(file.fileno())), file.read()
    except OSError:
        return None


def stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ino


def parse(text: bytes, run: RunDirectory, memory: Memory) -> Flat:
    """A record file's content as a flat record, or of one that is no record what its folder says.

    `memory` is `flat`'s.
    """
    try:
        entry = json.loads(text)
        if record.is_record(entry):
            return flat(record.upgraded(entry, run), memory)
    except (ValueError, AttributeError, TypeError, OSError):
        pass
    return {"id": run.id, "name": run.name, "state": UNREADABLE}
