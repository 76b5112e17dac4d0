"""The record of a run whose processes are gone, made to say what became of them (`ftcore.runs.verdict`)."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from ftcore.config.errors import Unreadable
from ftcore.runs import attempt_files, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.disk import full
from ftcore.runs.files import read_json
from ftcore.runs.job_log import time_limit
from ftcore.runs.verdict import OPEN_STATES, Left, awaits_next_job, conclude, lose_turn
from launchers.local_controller import EXITS

__all__ = ["OPEN_STATES", "lost_its_turn", "reconcile", "written_failures"]

LAST_LINES = 20


def reconcile(run: RunDirectory, write: bool = True) -> record.Record:
    """Make the newest attempt say how it ended, and why; the record after that.

    To be called only once the job's processes are known to be gone. They may have ended without a word
    (killed, out of memory, node lost). In a folder that cannot be written, and without `write`, only the
    record that is given back says so.
    """
    entry = record.read(run)
    if not entry["attempts"]:
        return entry
    number, now = len(entry["attempts"]), record.now()
    left = left_behind(run, entry)
    if write and entry["state"] in OPEN_STATES and not left.written and (problem := full(run.path)):
        left = replace(left, full=f"{problem}: {run.path}")

    def change(current: record.Record) -> None:
        # Somebody may have resumed it since it was read.
        if len(current["attempts"]) == number:
            conclude(current, left, now)

    return _changed(run, entry, change, write)


def lost_its_turn(run: RunDirectory, entry: record.Record, write: bool = True) -> record.Record:
    """`entry`, whose next job is gone before it began, ended; likewise."""
    asked = read_json(run.attempt(entry["attempts"][-1]["number"]) / attempt_files.STOP)
    reason = asked["reason"] if asked else f"job {entry['launch']['job_id']} is gone"

    def change(current: record.Record) -> None:
        if awaits_next_job(current):
            lose_turn(current, reason)

    return _changed(run, entry, change, write)


def _changed(
    run: RunDirectory, entry: record.Record, change: Callable[[record.Record], None], write: bool
) -> record.Record:
    after = deepcopy(entry)
    change(after)
    if after == entry or not write:
        return after
    try:
        return record.update(run, change)
    except (OSError, Unreadable):
        # A read-only mount, somebody else's runs, a full disk: what became of it is known nevertheless.
        return after


def left_behind(run: RunDirectory, entry: record.Record) -> Left:
    """What the newest attempt's folder holds, and what else tells of its end."""
    attempt = run.attempt(entry["attempts"][-1]["number"])
    exits = read_json(attempt / EXITS) or {}
    ranks = {0, *(int(rank) for rank, ended in exits.items() if ended["code"])}
    return Left(
        asked=read_json(attempt / attempt_files.STOP),
        written=written_failures(attempt),
        exits=exits,
        tails={rank: _tail(attempt / f"rank{rank}.err") for rank in ranks},
        time_limit=time_limit(run, entry),
    )


def written_failures(attempt: Path) -> list[record.Record]:
    """What ranks wrote of their own failures, in no order."""
    return [failure for path in attempt.glob(attempt_files.FAILURES) if (failure := read_json(path))]


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
    return "\n".join(lines)
