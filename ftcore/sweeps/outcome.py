"""What a search is told of a trial: pure functions of its record and metrics."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ftcore.runs.record import Record, seconds_between
from ftcore.runs.verdict import OPEN_STATES

LOSS = "loss"
PRUNED = "pruned"
"""Key of the file that asks an attempt to stop, and of the record: the step at which a trial fell behind."""

SWEEP_STOPPED = "the sweep was cancelled"
WORKER_GONE = "its worker is gone; another one goes on"
MOST_ATTEMPTS = 10
"""Of a trial whose workers are gone each time, before it is given up: it may be what ends them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended; `value` of completed ones, `reason` of the others."""

    end: Literal["complete", "pruned", "fail"]
    value: float | None = None
    reason: str = ""


def rungs(first: int, reduction: int) -> Iterator[int]:
    """Steps after which successive halving judges: first, first x reduction, ..."""
    while True:
        yield first
        first *= reduction


def loss_at(lines: Sequence[Mapping[str, Any]], step: int, window: int) -> float:
    """Mean loss of the last `window` steps up to `step`; nan where there are none."""
    losses = [line["loss"] for line in lines if step - window < line["step"] <= step]
    return math.fsum(losses) / len(losses) if losses else math.nan


def judged(entry: Record, lines: Sequence[Mapping[str, Any]], metric: str, window: int) -> float | None:
    """What a finished run is judged by; None where it has no such figure."""
    if metric == LOSS:
        return loss_at(lines, lines[-1]["step"], window) if lines else None
    node: Any = entry["results"]
    for name in metric.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return float(node) if isinstance(node, (int, float)) and not isinstance(node, bool) else None


def outcome(
    entry: Record, asked: Record | None, lines: Sequence[Mapping[str, Any]], metric: str, window: int
) -> Outcome | None:
    """How the trial ended; None where it is to go on (`asked`: who asked its newest attempt to stop, if any).

    A trial that was judged too late, when its training was over, is completed all the same.
    """
    state, reason = entry["state"], (entry["attempts"][-1]["reason"] if entry["attempts"] else "") or ""
    if state == "completed":
        value = judged(entry, lines, metric, window)
        if value is None:
            return Outcome("fail", reason=f"its results have no {metric}")
        if not math.isfinite(value):
            return Outcome("fail", reason=f"{metric} is {value}")
        return Outcome("complete", value)
    if state == "cancelled" and entry["attempts"]:
        if asked and PRUNED in asked:
            return Outcome("pruned", reason=reason)
        return None if reason == SWEEP_STOPPED else Outcome("fail", reason=reason or "cancelled")
    if state == "failed":
        return Outcome("fail", reason=reason or "failed")
    return None


def lost(entry: Record) -> bool:
    """Whether a trial whose worker is gone ended with it, and without a word of its own: it is to go on."""
    died = (entry["error"] or {}).get("type") == "ProcessDied"
    return entry["state"] in (*OPEN_STATES, "preempted") or (entry["state"] == "failed" and died)


def accelerator_hours(entry: Record) -> float:
    """That the attempts of a run took, start-up included, of all its ranks together."""
    launch = entry["launch"]
    ended = [attempt for attempt in entry["attempts"] if attempt["ended"]]
    seconds = sum(seconds_between(attempt["started"], attempt["ended"]) for attempt in ended)
    return seconds * launch["nodes"] * launch["tasks_per_node"] / 3600
