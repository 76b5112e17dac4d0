"""How a sweep stands as a whole: counts, the best so far, what is under way, how long it may take yet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from ftcore.sweeps.table import Objective, Row, ranked

ORDER = (
    "completed", "running", "queued", "created", "preempted", "pruned", "failed", "cancelled", "unknown",
    "gone",
)  # fmt: skip
OVER = ("completed", "failed", "cancelled", "pruned", "gone")
"""States of trials that nothing more comes of by itself."""

WAITING = ("created", "queued", "preempted")

Progress = Mapping[int, Mapping[str, Any]]
"""Trial -> its `progress.json`, of those under way."""


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at all trials."""

    counts: tuple[tuple[str, int], ...]
    total: int
    """Trials there will be: a search makes them as it goes."""

    to_come: int
    """Of those, the ones that are not made yet."""

    over: int
    done: float
    """Trials that are over, and parts of those under way."""

    ranking: tuple[Row, ...]
    """Best first."""

    seconds_left: float | None
    """None where nothing tells: no trial is completed, or none is under way."""

    @property
    def best(self) -> Row | None:
        return self.ranking[0] if self.ranking else None


def overview(
    found: Sequence[Row], aim: Objective, progress: Progress, now: datetime, to_come: int = 0
) -> Overview:
    """Of all rows of a sweep; `to_come` are points that a search will still ask for."""
    counts = Counter(row.state for row in found)
    shown = [(state, counts[state]) for state in dict.fromkeys((*ORDER, *counts)) if counts[state]]
    over = sum(counts[state] for state in OVER)
    total = len(found) + to_come
    running = [row for row in found if row.state == "running"]
    parts = sum(part(progress.get(row.number)) for row in running)
    left = _seconds_left(found, running, total - over - len(running), progress, now)
    return Overview(tuple(shown), total, to_come, over, over + parts, tuple(ranked(found, aim)), left)


def part(progress: Mapping[str, Any] | None) -> float:
    """How much of a trial is done, from 0 to 1; only training takes its time."""
    if not progress or progress.get("stage") != "train" or not progress.get("total"):
        return 1.0 if progress and progress.get("stage") in ("export", "merge", "evaluate") else 0.0
    return min(1.0, progress["done"] / progress["total"])


def took(row: Row, now: datetime | None = None) -> float | None:
    """Seconds of the newest attempt, up to `now` where it is not over; None where it has not begun."""
    try:
        started = datetime.fromisoformat(row.figure("attempt.started"))
        ended = row.figure("attempt.ended")
        end = datetime.fromisoformat(ended) if ended else now
        return None if end is None else max(0.0, (end - started).total_seconds())
    except (TypeError, ValueError):
        return None


def _seconds_left(
    found: Sequence[Row], running: Sequence[Row], waiting: int, progress: Progress, now: datetime
) -> float | None:
    """As many at once as now, each as long as the middle one of those that are over."""
    whole = [seconds for row in found if row.state == "completed" and (seconds := took(row)) is not None]
    if not whole or not running:
        return None
    each = median(whole)
    rests = [
        min(max(0.0, each - (took(row, now) or 0.0)), each * (1 - part(progress.get(row.number))))
        for row in running
    ]
    return (sum(rests) + waiting * each) / len(running)
