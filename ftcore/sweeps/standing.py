"""How a sweep stands: every trial's state and figures, the best so far, what is missing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.listing.rows import Listing
from ftcore.runs.verdict import OPEN_STATES
from ftcore.sweeps import directory
from ftcore.sweeps.directory import SweepDirectory, TrialEntry
from launchers import slurm_queue
from launchers.local import is_alive

FIGURES = (
    "results.end_loss", "results.tokens_per_second", "results.steps", "attempt.reason",
    "judged.value", "judged.metric", "judged.direction",
)  # fmt: skip
"""`judged` is of a search's trials: what it was told of them (`ftcore.sweeps.searching`)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One trial."""

    entry: TrialEntry
    state: str
    """The record's; `queued` too where its array's task waits, `pruned` where a search ended it early."""

    loss: float | None
    figures: dict[str, Any]


def standings(sweep: SweepDirectory, more: Sequence[str] = ()) -> list[Standing]:
    """All trials, in order of number; `more` are further keys of records that `figures` is to hold."""
    entries = directory.trials(sweep)
    listing = Listing(sweep.runs_dir)
    keys = dict.fromkeys((*FIGURES, *more))
    columns = {key: listing.column(key) for key in ("id", "state", *keys)}
    listing.remember()
    rows = {run: row for row, run in enumerate(columns["id"])}
    queued = _queued(sweep)
    found = []
    for entry in entries:
        row = rows.get(entry.run.rpartition("/")[2])
        state = "gone" if row is None else columns["state"][row]
        if state in ("created", "preempted") and entry.number in queued:
            state = "queued"
        figures = {} if row is None else {key: columns[key][row] for key in keys}
        if state == "cancelled" and str(figures.get("attempt.reason")).startswith("pruned at step"):
            state = "pruned"
        loss = figures.get("results.end_loss")
        found.append(Standing(entry, state, loss if isinstance(loss, (int, float)) else None, figures))
    return found


def missing(sweep: SweepDirectory, found: list[Standing]) -> list[int]:
    """Numbers of trials that are not completed and that nothing works on or will."""
    coming = _queued(sweep) if directory.read(sweep)["cluster"] == "slurm" else {}
    return [
        one.entry.number
        for one in found
        if one.state not in ("completed", "gone", "pruned", "running") and one.entry.number not in coming
    ]


def best(found: list[Standing]) -> Standing | None:
    """The completed trial with the smallest final loss; of a search, the one that it judges best."""
    told = [one for one in found if one.state == "completed" and one.figures.get("judged.value") is not None]
    if told:
        sign = -1 if told[0].figures["judged.direction"] == "maximize" else 1
        return min(told, key=lambda one: sign * one.figures["judged.value"])
    done = [one for one in found if one.state == "completed" and one.loss is not None]
    done = [one for one in done if math.isfinite(one.loss or math.nan)]
    return min(done, key=lambda one: one.loss or 0.0, default=None)


def going_on(sweep: SweepDirectory, found: list[Standing]) -> bool:
    """Whether anything of the sweep waits or runs."""
    # The ranks of a search's worker that was killed may live on: whoever goes on with it takes them over.
    searched = (sweep.path / "search.json").exists()
    if not searched and any(one.state in OPEN_STATES and one.state != "created" for one in found):
        return True
    if directory.read(sweep)["cluster"] == "slurm":
        jobs = [job["id"] for job in directory.read(sweep)["jobs"]]
        return bool(slurm_queue.array_tasks(jobs))
    return any(is_alive(job["id"], sweep.path) for job in directory.read(sweep)["jobs"])


def _queued(sweep: SweepDirectory) -> dict[int, str]:
    if directory.read(sweep)["cluster"] != "slurm":
        return {}
    from ftcore.sweeps.slurm import waiting

    return waiting(sweep)
