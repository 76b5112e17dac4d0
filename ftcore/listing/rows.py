"""All runs of a folder as rows, any key of their records as a column."""

import gc
import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftcore.listing import index
from ftcore.listing.columns import Growing, Stamp
from ftcore.listing.spread import spread
from ftcore.runs.directory import RunDirectory, folders
from ftcore.runs.flat import Flat, Memory, flat
from ftcore.runs.liveness import PLACE_KEYS, Life, Place, lives, place
from ftcore.runs.verdict import OPEN_STATES

UNKNOWN = "unknown"
"""Shown in place of a state that holds as long as a job does which cannot be seen from here."""

READ_AT_ONCE = 512
"""Records in memory at a time."""

WRITE_SECONDS = 1.0
"""Spent on writing down what became of runs; the others are told of without it, and written down later."""


class Listing:
    """The runs under `runs_dir`, oldest first, as their records stand now.

    Rows come from the index where it holds, and from the records where it does not.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._index = index.load(runs_dir)
        self._paths: list[str] = []
        self._stamps: list[Stamp] = []
        self._fresh, self._memory = Growing(), Memory()
        self._rows: list[int] = []
        """Where each row is: a place in the index, or after those a place among what was read."""
        self._unseen: dict[int, str] = {}
        self._read = 0
        self._look()
        self._settle()

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def keys(self) -> Collection[str]:
        """Every key that a run has."""
        return dict.fromkeys([*self._index.keys, *self._fresh.columns])

    @property
    def unseen(self) -> dict[int, str]:
        """Row -> where its job was started, for runs of which it cannot be known here how they stand."""
        return self._unseen

    def column(self, key: str) -> list[Any]:
        """The values of `key`, one a row; None where a run has none."""
        values = self._recorded(key)
        if key == "state":
            for row in self._unseen:
                values[row] = UNKNOWN
        return values

    def remember(self) -> None:
        """Write the index anew if that saves the next reader enough; a convenience, whatever comes of it."""
        known = len(self._index.paths)
        gone = known - sum(1 for row in self._rows if row < known)
        if max(self._read, gone) >= index.REWRITE_AT:
            index.save(self.runs_dir, self._recorded, self.keys, self._paths, self._stamps)

    def _recorded(self, key: str) -> list[Any]:
        values = self._index.values(key) + self._fresh.values(key)
        return [values[row] for row in self._rows]

    def _put(self, rows: Sequence[int], flats: Sequence[Flat]) -> None:
        """Let what was read take the place of `rows`."""
        for row, number in zip(rows, self._fresh.add(flats), strict=True):
            self._rows[row] = len(self._index.paths) + number

    def _look(self) -> None:
        """Fill the rows: one stat a run, and one read of each record that the index does not have."""
        root = str(self.runs_dir)
        paths = folders(self.runs_dir)
        stamps = spread(_stamp, [f"{root}/{path}/record.json" for path in paths])
        known = {path: row for row, path in enumerate(self._index.paths)}
        unknown: list[int] = []
        for path, stamp in zip(paths, stamps, strict=True):
            if stamp is None:
                continue
            row = known.get(path)
            if row is None or self._index.stamps[row] != stamp:
                unknown.append(len(self._rows))
            self._paths.append(path)
            self._stamps.append(stamp)
            self._rows.append(-1 if row is None else row)
        self._read = len(unknown)
        with uncollected():
            for start in range(0, len(unknown), READ_AT_ONCE):
                self._read_records(unknown[start : start + READ_AT_ONCE])
        for row in [row for row in reversed(unknown) if self._stamps[row] == index.NEVER]:
            del self._paths[row], self._stamps[row], self._rows[row]

    def _read_records(self, rows: list[int]) -> None:
        """Of records that are gone, or closed to us, the stamp is NEVER afterwards."""
        texts = spread(index.read, [str(self.run(row).record) for row in rows])
        read = {}
        for row, found in zip(rows, texts, strict=True):
            self._stamps[row] = index.NEVER
            if found is not None:
                self._stamps[row] = found[0]
                read[row] = index.parse(found[1], self.run(row), self._memory)
        self._put([*read], [*read.values()])

    def _settle(self) -> None:
        """Find out how the runs stand that say they go on; write down how those ended whose job is gone."""
        open_rows = [row for row, state in enumerate(self._recorded("state")) if state in OPEN_STATES]
        places = self._places(open_rows)
        until = time.monotonic() + WRITE_SECONDS
        for (row, handed), life in zip(places.items(), lives(list(places.values())), strict=True):
            if life is Life.GONE:
                self._conclude(row, write=time.monotonic() < until)
            elif life is Life.UNKNOWN:
                self._unseen[row] = "Slurm" if handed.cluster == "slurm" else handed.host or "?"

    def _places(self, rows: list[int]) -> dict[int, Place]:
        columns = {key: self._recorded(key) for key in PLACE_KEYS}
        parts = {row: {key: columns[key][row] for key in PLACE_KEYS} for row in rows}
        # A run without an attempt was never handed over.
        return {row: place(self.run(row).id, part) for row, part in parts.items() if part["attempt.state"]}

    def _conclude(self, row: int, write: bool) -> None:
        # Only where it is needed: it takes the reading of configurations with it.
        from ftcore.runs import state

        run = self.run(row)
        try:
            self._put([row], [flat(state.concluded(run, write))])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Removed meanwhile, or a record that lacks what every record has: listed as it is.
            return
        # Written down or not: what the file says now comes with the next look.
        self._stamps[row] = index.NEVER

    def run(self, row: int) -> RunDirectory:
        """The directory of a row."""
        return RunDirectory(self.runs_dir / self._paths[row])


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector, which goes through all that was read again and again and finds nothing:
    records are trees."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _stamp(path: str) -> Stamp | None:
    try:
        return index.stamp(os.stat(path))
    except OSError:
        return None
