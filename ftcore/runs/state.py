"""What a run is doing now, asked of its record and of whoever holds its job, from any shell, days later."""

from typing import Any

from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json
from ftcore.runs.flat import flat
from ftcore.runs.liveness import Life, lives, place
from ftcore.runs.reconcile import lost_its_turn, reconcile
from ftcore.runs.verdict import OPEN_STATES, awaits_next_job
from launchers import slurm_queue


def life(run: RunDirectory, entry: record.Record) -> Life:
    """What can be known from here of the run's job."""
    return lives([place(run.id, flat(entry))])[0]


def alive(run: RunDirectory, entry: record.Record) -> bool:
    """Whether the run's job may still wait or run; also where that cannot be seen from here."""
    return life(run, entry) is not Life.GONE


def may_be_over(entry: record.Record) -> bool:
    """Whether the record says of the run that it goes on, which holds only as long as its job does."""
    return entry["state"] in OPEN_STATES and bool(entry["attempts"])


def settled(run: RunDirectory) -> record.Record:
    """The record, made to say how the run ended where its job is gone and nobody wrote that down."""
    entry = record.read(run)
    if may_be_over(entry) and life(run, entry) is Life.GONE:
        return concluded(run)
    return entry


def concluded(run: RunDirectory, write: bool = True) -> record.Record:
    """The record of a run whose job is gone, as `settled` has it; with `write` written down if it can be."""
    # It may have ended, and said so, since it was read.
    entry = reconcile(run, write)
    if awaits_next_job(entry) and life(run, entry) is Life.GONE:
        return lost_its_turn(run, entry, write)
    return entry


def unseen(entry: record.Record) -> str:
    """Why it cannot be known from here whether the run's job goes on."""
    if entry["launch"]["cluster"] == "slurm":
        return "Slurm does not answer here"
    return f"started on {place('', flat(entry)).host}"


def now(run: RunDirectory) -> dict[str, Any]:
    """The record with what the queue and the job's own progress say; `unknown` has the reason where it cannot
    be seen from here whether the job goes on."""
    entry = settled(run)
    queue, unknown = None, None
    launch = entry["launch"]
    # A preempted run's job may be waiting for its next attempt.
    if launch["cluster"] == "slurm" and launch["job_id"] and entry["state"] in (*OPEN_STATES, "preempted"):
        state = slurm_queue.state(launch["job_id"])
        queue = {"state": state, "reason": slurm_queue.reason(launch["job_id"]) if state == "PENDING" else ""}
    if may_be_over(entry) and life(run, entry) is Life.UNKNOWN:
        unknown = unseen(entry)
    progress = read_json(run.progress) if entry["state"] == "running" else None
    return {"run": entry, "unknown": unknown, "queue": queue, "progress": progress}
