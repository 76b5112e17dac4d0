"""Everything under a runs_dir that can go."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ftcore.gc import cache, checkpoints, leftovers, whole_runs
from ftcore.gc.candidate import Candidate, size
from ftcore.gc.leftovers import original_name
from ftcore.gc.survey import Known, Survey, pins, within

CACHE = ".cache"
"""Of a runs_dir, unless `cache_dir` says otherwise."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for."""

    older_than: float = 0.0
    """Seconds since something was last of use."""

    kinds: frozenset[str] = frozenset()
    """Of KINDS; `runs` needs `states` too."""

    states: tuple[str, ...] = ()
    """Whole runs in one of these states."""

    shared_caches: bool = False
    """Also caches outside the runs_dir, which runs of other folders may use."""


@dataclass(frozen=True, slots=True)
class Found:
    """What can go, and what was asked for and stays, with the reason."""

    candidates: list[Candidate] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.candidates)


def find(survey: Survey, wanted: Wanted, advance: Callable[[int], None]) -> Found:
    """Look at every run and cache; `advance(1)` after each run. Touches nothing."""
    known = survey.look(advance)
    before = time.time() - wanted.older_than
    stays = {str(path): "its record cannot be read" for path in survey.unreadable}
    found: list[Candidate] = []
    going: set[Path] = set()
    if "runs" in wanted.kinds and wanted.states and not survey.unreadable:
        runs, kept = whole_runs.candidates(known, wanted.states, before)
        found += runs
        stays |= kept
        going = {one.path for one in runs}
    left = [one for one in known if one.run.path not in going]
    # What an unreadable run points at or goes on with, nobody can tell.
    if not survey.unreadable:
        found += [one for run in left for one in checkpoints.candidates(run) if not pinned(one, known)]
        caches, foreign = caches_of(survey.runs_dir, known, wanted.shared_caches)
        stays |= {str(path): "a cache outside of the runs; --shared-caches looks at it" for path in foreign}
        found += [one for folder in caches for one in cache.candidates(folder, known)]
    else:
        caches = []
    found += _temporary(survey.runs_dir, left, caches)
    stays |= {one.run.id: "this version cannot read its settings" for one in left if one.experiment is None}
    chosen = [
        one
        for one in found
        if one.kind in wanted.kinds and (one.since < before or original_name(one.path) is not None)
    ]
    return Found(chosen, stays)


def pinned(candidate: Candidate, known: list[Known]) -> bool:
    """Whether another run's configuration leads into the candidate."""
    return candidate.run is not None and bool(pins(known, candidate.path, candidate.run))


def caches_of(runs_dir: Path, known: list[Known], shared: bool) -> tuple[list[Path], list[Path]]:
    """The caches to look at, and those that are left alone since others may use them."""
    root = os.path.realpath(runs_dir)
    every = {one.cache for one in known if one.cache and one.cache.is_dir()}
    own = Path(root, CACHE)
    every |= {own} if own.is_dir() else set()
    inside = sorted(path for path in every if within(str(path), root))
    outside = sorted(every.difference(inside))
    return (inside + outside, []) if shared else (inside, outside)


def _temporary(runs_dir: Path, known: list[Known], caches: list[Path]) -> list[Candidate]:
    places = [(path, one.run) for one in known if not one.open for path in leftovers.in_run(one.run.path)]
    places += [(path, None) for folder in caches for path in leftovers.in_cache(folder)]
    places += [(path, None) for path in runs_dir.glob("*/.*.tmp")]
    found = []
    for path, run in places:
        changed = leftovers.last_change(path)
        if changed is not None and leftovers.is_stale(path):
            why = "left over by a process that is gone"
            found.append(Candidate("temporary", path, size(path), why, changed, run))
    return found
