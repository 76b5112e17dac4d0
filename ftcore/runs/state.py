"""What a run is doing now, asked of its record and of whoever holds its job, from any shell, days later."""

from typing import Any

from ftcore.runs import attempt_files, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json
from ftcore.runs.reconcile import OPEN_STATES, awaits_next_job, reconcile
from launchers import slurm_queue
from launchers.local import is_alive


def alive(run: RunDirectory, entry: record.Record) -> bool:
    """Whether the run's job waits or runs."""
    launch = entry["launch"]
    if launch["cluster"] == "slurm":
        return launch["job_id"] is not None and slurm_queue.state(launch["job_id"]) in slurm_queue.OPEN
    return is_alive(launch["job_id"], run.path)


def settled(run: RunDirectory) -> record.Record:
    """The record, made to say how the run ended where its job is gone and nobody wrote that down."""
    entry = record.read(run)
    if entry["state"] in OPEN_STATES and entry["attempts"] and not alive(run, entry):
        # It may have ended, and said so, since it was read.
        entry = reconcile(run)
        if awaits_next_job(entry) and not alive(run, entry):
            asked = read_json(run.attempt(entry["attempts"][-1]["number"]) / attempt_files.STOP)
            record.lose_turn(run, asked["reason"] if asked else f"job {entry['launch']['job_id']} is gone")
            return record.read(run)
        return entry
    return entry


def now(run: RunDirectory) -> dict[str, Any]:
    """The record with what the queue and the job's own progress say."""
    entry = settled(run)
    queue = None
    launch = entry["launch"]
    # A preempted run's job may be waiting for its next attempt.
    if launch["cluster"] == "slurm" and launch["job_id"] and entry["state"] in (*OPEN_STATES, "preempted"):
        state = slurm_queue.state(launch["job_id"])
        queue = {"state": state, "reason": slurm_queue.reason(launch["job_id"]) if state == "PENDING" else ""}
    progress = read_json(run.progress) if entry["state"] == "running" else None
    return {"run": entry, "queue": queue, "progress": progress}
