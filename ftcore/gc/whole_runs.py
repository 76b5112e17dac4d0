"""Whole runs that were asked to go by their state, and why some of them stay all the same."""

import os
from collections.abc import Iterator, Sequence

from ftcore.gc.candidate import Candidate, size
from ftcore.gc.survey import Known, pins

STATES = ("completed", "failed", "cancelled", "preempted")


def stays(one: Known, known: Sequence[Known]) -> str | None:
    """Why the run must not go; None where it may."""
    if one.open:
        return "it is waiting or running, or cannot be asked from here"
    if one.tagged_keep:
        return "it is tagged keep"
    if users := pins(known, one.run.path, one.run):
        return f"{users[0]} uses what lies in it"
    if namers := [other.run.id for other in known if other.run.path != one.run.path and _names(other, one)]:
        return f"{namers[0]} names it"
    return None


def _names(other: Known, one: Known) -> bool:
    """Whether `other` reproduces `one`, or belongs to it."""
    run = one.run
    means = {run.id, f"{run.name}/{run.id}", str(run.path), os.path.realpath(run.path)}
    return bool(other.named & means)


def asked_for(known: Sequence[Known], states: Sequence[str], before: float) -> Iterator[Known]:
    """Runs in one of `states` that ended before that moment, in seconds since the epoch."""
    for one in known:
        if one.entry["state"] in states and not one.open and one.ended < before:
            yield one


def candidates(
    known: Sequence[Known], states: Sequence[str], before: float
) -> tuple[list[Candidate], dict[str, str]]:
    """The runs that can go, and of those that were asked for and stay: id -> why.

    Of a sweep all runs go or none: what is left of its table would be wrong.
    """
    asked = list(asked_for(known, states, before))
    reasons = {one.run.id: reason for one in asked if (reason := stays(one, known))}
    going = {one.run.id for one in asked if one.run.id not in reasons}
    for one in asked:
        sweep = one.entry.get("sweep")
        if sweep is None or one.run.id in reasons:
            continue
        left = [other.run.id for other in known
                if other.entry.get("sweep") == sweep and other.run.id not in going]  # fmt: skip
        if left:
            reasons[one.run.id] = f"{left[0]} of the same sweep stays"
    return [_candidate(one) for one in asked if one.run.id not in reasons], reasons


def _candidate(one: Known) -> Candidate:
    path, why = one.run.path, f"{one.entry['state']}, and asked for"
    return Candidate("runs", path, size(path), why, one.ended, one.run)
