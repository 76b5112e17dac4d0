"""The record of a run whose processes are gone, made to say what became of them."""

import signal
from datetime import datetime, timedelta
from pathlib import Path

from ftcore.runs import attempt_files, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json
from launchers.local_controller import EXITS

OPEN_STATES = ("created", "queued", "running")
LAST_LINES = 20
NOTICED_WITHIN = timedelta(seconds=1)
"""A launcher polls: a death lies up to this much before the time it was noted at."""


def reconcile(run: RunDirectory) -> record.Record:
    """Make the newest attempt say how it ended, and why; the record after that.

    To be called only once the job's processes are known to be gone. They may have ended without a word
    (killed, out of memory, node lost). Where several ranks failed, the earliest is the cause: the others
    failed because it did.
    """
    entry = record.read(run)
    if not entry["attempts"]:
        return entry
    attempt = run.attempt(entry["attempts"][-1]["number"])
    asked = read_json(attempt / attempt_files.STOP)
    failures = first_failures(attempt, entry)
    if awaits_next_job(entry):
        return entry
    if entry["state"] in OPEN_STATES:
        if asked and not written_failures(attempt):
            record.end_attempt(run, asked["state"], asked["reason"])
        else:
            cause = failures[0] if failures else _silent(attempt, entry, 0, UNKNOWN)
            record.end_attempt(run, "failed", cause["message"], cause)
    elif entry["state"] == "failed" and failures and failures[0] != entry["error"]:

        def blame(changed: record.Record) -> None:
            changed["error"] = failures[0]
            changed["attempts"][-1]["reason"] = failures[0]["message"]

        record.update(run, blame)
    return record.read(run)


def awaits_next_job(entry: record.Record) -> bool:
    """Whether the newest attempt ended well and another job is to do the rest (`record.hand_over`)."""
    return entry["state"] == "queued" and entry["attempts"][-1]["state"] == "completed"


UNKNOWN = "its processes ended without a word (killed, or out of memory?)"


def first_failures(attempt: Path, entry: record.Record) -> list[record.Record]:
    """What ranks wrote of their failures, and deaths of ranks that could not, earliest first."""
    found = written_failures(attempt) + _deaths(attempt, entry)
    return sorted(found, key=lambda one: datetime.fromisoformat(one["time"]))


def written_failures(attempt: Path) -> list[record.Record]:
    """What ranks wrote of their own failures, in no order."""
    return [failure for path in attempt.glob(attempt_files.FAILURES) if (failure := read_json(path))]


def _deaths(attempt: Path, entry: record.Record) -> list[record.Record]:
    """Ranks that a signal ended, or that failed before they could write anything down."""
    deaths = []
    for rank, ended in (read_json(attempt / EXITS) or {}).items():
        if ended["code"] and not (attempt / attempt_files.failure(rank)).exists():
            failure = _silent(attempt, entry, int(rank), _how(int(rank), ended["code"]))
            time = datetime.fromtimestamp(ended["time"]).astimezone() - NOTICED_WITHIN
            deaths.append(failure | {"time": time.isoformat()})
    return deaths


def _how(rank: int, code: int) -> str:
    if code > 0:
        return f"rank {rank} ended with exit code {code} (see rank{rank}.err)"
    name = signal.Signals(-code).name
    return f"rank {rank} was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _silent(attempt: Path, entry: record.Record, rank: int, reason: str) -> record.Record:
    ended = ("created", "completed")
    open_stages = [stage["name"] for stage in entry["stages"] if stage["state"] not in ended]
    nodes = entry["attempts"][-1]["nodes"] or [entry["hardware"]["hostname"]]
    log = attempt / f"rank{rank}.err"
    lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:] if log.exists() else []
    return {
        "stage": open_stages[-1] if open_stages else "start",
        "rank": rank,
        "node": nodes[rank // entry["launch"]["tasks_per_node"]] if len(nodes) > 1 else nodes[0],
        "type": "ProcessDied",
        "message": reason,
        "traceback": "\n".join(lines),
        "time": record.now(),
    }
