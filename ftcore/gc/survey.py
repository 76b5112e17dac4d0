"""What every run says of itself and of others; the ground on which anything is judged to be of no use."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.config.validate import validate
from ftcore.runs import record, state
from ftcore.runs.directory import RunDirectory, every
from ftcore.runs.labels import KEEP
from ftcore.runs.liveness import Life
from ftcore.runs.verdict import OPEN_STATES
from ftcore.stages import export
from ftcore.stages.sequence import missing

NEW_SECONDS = 3600
"""A run without an attempt may be about to get its first one."""

PLACES = ("runs_dir", "cache_dir")
"""Settings that hold whole trees of runs, and point at none of them."""


@dataclass(frozen=True, slots=True)
class Known:
    """A run as gc sees it."""

    run: RunDirectory
    entry: record.Record

    experiment: Experiment | None
    """None where this version cannot read it: then nothing is known to be finished."""

    open: bool
    """Its job waits or runs, or may: on another host or cluster that cannot be asked from here."""

    done: bool
    """Complete: every stage's result is on disk, and the exported weights are those of the record."""

    cache: Path | None
    real: str
    """The run's real path."""

    points_at: frozenset[str]
    """Real paths that its configuration names."""

    points_inside: frozenset[str]
    """Those of them that lie where runs lie."""

    named: frozenset[str]
    """What `reproduces` and `sweep` say: ids, or paths."""

    @property
    def tagged_keep(self) -> bool:
        return KEEP in (self.entry.get("tags") or ())

    @property
    def ended(self) -> float:
        """When its newest attempt ended, or the run was made, in seconds since the epoch."""
        times = [attempt.get("ended") or attempt.get("started") for attempt in self.entry["attempts"][-1:]]
        return datetime.fromisoformat((times and times[0]) or self.entry["created"]).timestamp()


class Survey:
    """All runs under a runs_dir. Records are read again only where they changed, so asking again is cheap."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir, self.root = runs_dir, os.path.realpath(runs_dir)
        self.unreadable: list[Path] = []
        self._known: dict[Path, tuple[tuple[int, int], Known]] = {}

    def look(self, advance: Callable[[int], None] = lambda _: None, settle: bool = True) -> list[Known]:
        """Every run as it is now; `advance(1)` after each. `settle` as in `going_on`."""
        self.unreadable, found = [], []
        for run in every(self.runs_dir):
            try:
                found.append(self._one(run, settle))
            except FileNotFoundError:
                continue  # removed since it was listed
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                # What it points at, nobody can tell: `look`'s caller must not remove what may be in use.
                self.unreadable.append(run.path)
            advance(1)
        return found

    def fresh(self, run: RunDirectory) -> Known:
        """This run as it is now, whatever was known of it; writes nothing."""
        return _known(run, self.root, settle=False)

    def _one(self, run: RunDirectory, settle: bool) -> Known:
        stamp = _stamp(run.record)
        before = self._known.get(run.path)
        if before and before[0] == stamp and not before[1].open:
            return before[1]
        known = _known(run, self.root, settle)
        self._known[run.path] = (_stamp(run.record), known)
        return known


def _stamp(path: Path) -> tuple[int, int]:
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_ino


def _known(run: RunDirectory, root: str, settle: bool) -> Known:
    entry = record.read(run)
    is_open = going_on(run, entry, ask=False, settle=settle)
    if not is_open:
        entry = record.read(run)  # may have been made to say how the run ended
    config = entry.get("config") or {}
    experiment = validate(config)[0] if config else None
    folder = entry["launch"].get("folder") or "."
    done = entry["state"] == "completed" and experiment is not None and not is_open
    cache_dir = config.get("cache_dir")
    points_at = frozenset(_paths(config, folder)) | frozenset(_sources(entry))
    return Known(
        run, entry, experiment, is_open,
        done=done and not missing(experiment, run) and exported(run, entry, experiment),
        cache=Path(os.path.realpath(os.path.join(folder, cache_dir))) if cache_dir else None,
        real=os.path.realpath(run.path), points_at=points_at,
        points_inside=frozenset(text for text in points_at if within(text, root)),
        named=frozenset(_texts([entry.get("reproduces"), entry.get("sweep")])),
    )  # fmt: skip


def going_on(run: RunDirectory, entry: record.Record, ask: bool = True, settle: bool = True) -> bool:
    """Whether the run's job waits or runs, or may, where that cannot be seen from this machine.

    Of a run that says that it ended, its processes are asked about only with `ask`: they may be about to end.
    `settle` writes down how a run ended whose processes are gone; without it, and so under the record's
    lock, such a run counts as going on.
    """
    if state.may_be_over(entry):
        return not settle or state.settled(run)["state"] in OPEN_STATES
    if not entry["attempts"]:
        return time.time() - datetime.fromisoformat(entry["created"]).timestamp() < NEW_SECONDS
    if entry["state"] == "preempted":
        return state.alive(run, entry)  # its job may be back in the queue
    return ask and state.life(run, entry) is Life.ALIVE


def exported(run: RunDirectory, entry: record.Record, e: Experiment) -> bool:
    """Whether the weights that the run was for lie in its directory, as large as the record says."""
    folder = export.target(e, run).name
    files = [one for one in entry["artifacts"] if one["path"].startswith(f"{folder}/")]
    return bool(files) and all(_has(run.path / one["path"], one.get("bytes")) for one in files)


def _has(path: Path, size: int | None) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _paths(config: dict[str, Any], folder: str) -> Iterator[str]:
    inside = {name: value for name, value in config.items() if name not in PLACES}
    for text in _texts(inside):
        if "\0" in text or "\n" in text or len(text) > 4000:
            continue
        path = os.path.join(folder, os.path.expanduser(text))
        if "/" in text or os.path.lexists(path):
            yield os.path.realpath(path)


def _sources(entry: record.Record) -> Iterator[str]:
    for source in entry["data"].get("sources") or ():
        if isinstance(path := source.get("path"), str) and os.path.isabs(path):
            yield os.path.realpath(path)


def _texts(value: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def pins(known: Iterable[Known], path: Path, owner: RunDirectory) -> list[str]:
    """Ids of the runs other than `owner` whose configuration leads into `path`, or to a folder of `owner`
    that holds it."""
    real, root = os.path.realpath(path), os.path.realpath(owner.path)
    return [
        one.run.id
        for one in known
        if one.points_inside
        and one.real != root
        and any(
            within(text, real) or (within(real, text) and within(text, root)) for text in one.points_inside
        )
    ]


def within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
