"""What became of a run whose job is gone: a pure function of its record and of what its attempt left."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

OPEN_STATES = ("created", "queued", "running")
NOTICED_WITHIN = timedelta(seconds=1)
"""A launcher polls: a death lies up to this much before the time it was noted at."""

OUT_OF_TIME = (
    "the time limit (cluster.time) came before the step under way was finished and saved; "
    "cluster.signal_seconds is the warning before it"
)
NO_WORD = "its processes ended without a word (killed, or out of memory?)"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Left:
    """What is in the folder of an attempt that is over."""

    asked: Record | None = None
    """The state it was asked to end in, and why."""

    written: list[Record] = field(default_factory=list)
    """What ranks wrote of their own failures, in no order."""

    exits: Mapping[str, Record] = field(default_factory=dict)
    """How ranks ended, as the launcher saw it."""

    tails: Mapping[int, str] = field(default_factory=dict)
    """The last lines of error output of rank 0 and of ranks that ended badly."""

    time_limit: datetime | None = None
    """When Slurm ended it because of its time limit."""

    full: str | None = None
    """What the system says of its disk, where that takes nothing more."""


def conclude(entry: Record, left: Left, now: str) -> None:
    """Make the newest attempt of `entry`, and the run, say how they ended; one that is closed stays so.

    Where several ranks failed, the earliest is the cause: the others failed because it did. `now` is the
    time (`record.now`) at which it is noticed.
    """
    if not entry["attempts"] or awaits_next_job(entry):
        return
    failures = first_failures(entry, left, now)
    if entry["state"] in (*OPEN_STATES, "failed") and _ran_out_of_time(left, failures):
        close(entry, "preempted", OUT_OF_TIME, None, now)
    elif entry["state"] in OPEN_STATES:
        if left.asked and not left.written:
            close(entry, left.asked["state"], left.asked["reason"], None, now)
        else:
            # On a full disk it had nowhere to leave its last words.
            why = f"{left.full}; {NO_WORD}" if left.full else NO_WORD
            cause = failures[0] if failures else _silent(entry, left, 0, why, now)
            close(entry, "failed", cause["message"], cause, now)
    elif entry["state"] == "failed" and failures and failures[0] != entry["error"]:
        entry["error"] = failures[0]
        entry["attempts"][-1]["reason"] = failures[0]["message"]


def _ran_out_of_time(left: Left, failures: list[Record]) -> bool:
    """Whether the limit came first: what fails after it fails because of it."""
    limit = left.time_limit
    return limit is not None and all(datetime.fromisoformat(one["time"]) >= limit for one in failures)


def lose_turn(entry: Record, reason: str) -> None:
    """End a run whose next job was taken out of the queue before it began."""
    entry["state"] = "cancelled"
    entry["attempts"][-1]["reason"] += f"; {reason}"


def awaits_next_job(entry: Record) -> bool:
    """Whether the newest attempt ended well and another job is to do the rest (`record.hand_over`)."""
    attempts = entry["attempts"]
    return entry["state"] == "queued" and bool(attempts) and attempts[-1]["state"] == "completed"


def first_failures(entry: Record, left: Left, now: str) -> list[Record]:
    """What ranks wrote of their failures, and deaths of ranks that could not, earliest first."""
    found = [*left.written, *_deaths(entry, left, now)]
    return sorted(found, key=lambda one: datetime.fromisoformat(one["time"]))


def _deaths(entry: Record, left: Left, now: str) -> list[Record]:
    """Ranks that a signal ended, or that failed before they could write anything down."""
    told = {str(one["rank"]) for one in left.written}
    deaths = []
    for rank, ended in left.exits.items():
        if ended["code"] and rank not in told:
            failure = _silent(entry, left, int(rank), _how(int(rank), ended["code"]), now)
            time = datetime.fromtimestamp(ended["time"]).astimezone() - NOTICED_WITHIN
            deaths.append(failure | {"time": time.isoformat()})
    return deaths


def _how(rank: int, code: int) -> str:
    if code > 0:
        return f"rank {rank} ended with exit code {code} (see rank{rank}.err)"
    name = signal.Signals(-code).name
    return f"rank {rank} was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _silent(entry: Record, left: Left, rank: int, reason: str, now: str) -> Record:
    ended = ("created", "completed")
    open_stages = [stage["name"] for stage in entry["stages"] if stage["state"] not in ended]
    nodes = entry["attempts"][-1]["nodes"] or [entry["hardware"]["hostname"]]
    return {
        "stage": open_stages[-1] if open_stages else "start",
        "rank": rank,
        "node": nodes[rank // entry["launch"]["tasks_per_node"]] if len(nodes) > 1 else nodes[0],
        "type": "ProcessDied",
        "message": reason,
        "traceback": left.tails.get(rank, ""),
        "time": now,
    }


def close(entry: Record, state: str, reason: str, error: Record | None, now: str) -> None:
    """End the newest attempt, and the run with it, in `state`."""
    entry["attempts"][-1].update(state=state, ended=now, reason=reason)
    entry["state"], entry["error"] = state, error
    for stage in entry["stages"]:
        if stage["state"] == "running":
            stage.update(state=state, ended=now)
