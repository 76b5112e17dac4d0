"""`record.json`: what was asked, what it ran on, what came out."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ftcore.config.errors import Unreadable
from ftcore.runs.attempt_files import MACHINES
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import locked, read_json, write_json
from ftcore.runs.verdict import close

SCHEMA_VERSION = 2
"""2 (November 2026): the resolved configuration inside; tags, note, reproduces; the program's identity."""

STATES = ("created", "queued", "running", "completed", "failed", "cancelled", "preempted")
STAGES = ("prepare", "train", "export", "merge", "evaluate")

Record = dict[str, Any]


class Superseded(Exception):
    """A newer attempt of the run has begun: what this one would write belongs to nobody any more.

    Slurm counts a node whose daemon is silent as lost and starts the job elsewhere; what ran on that node
    may well live on, and train.
    """


def now() -> str:
    """Local time with its offset, to the second: 2026-11-24T06:00:00+00:00."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def seconds_between(start: str, end: str) -> float:
    """Seconds from one `now()` text to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def read(run: RunDirectory) -> Record:
    """The record as it stands; writes are atomic, so it is never a part of one.

    Raises Unreadable where there is none.
    """
    try:
        entry = read_json(run.record)
    except ValueError as error:
        raise Unreadable(run.record, f"no JSON ({error})") from None
    except OSError as error:
        raise Unreadable(run.record, error.strerror or str(error)) from None
    if entry is None:
        raise Unreadable(run.record, "no such file")
    if not is_record(entry):
        raise Unreadable(run.record, "JSON, and no record of a run")
    return upgraded(entry, run)


def is_record(value: Any) -> bool:
    """Whether a JSON value may be a record: an object that says something."""
    return isinstance(value, dict) and bool(value)


def upgraded(record: Record, run: RunDirectory) -> Record:
    """A record of an older schema as this version's readers expect it; a newer one is left as it is."""
    if record.get("schema_version", 1) < 2:
        from ftcore.config import plain_yaml

        record = {"reproduces": None, "tags": [], "note": "", **record, "schema_version": 2}
        record["config"] = plain_yaml.load(run.config) if run.config.exists() else {}
        record.get("code", {}).setdefault("source_sha256", None)
        record.get("launch", {}).setdefault("then", None)
    return record


def update(run: RunDirectory, change: Callable[[Record], None]) -> Record:
    """Apply `change` to the record under its lock and write it back in one step."""
    with turn(run) as record:
        change(record)
        write_json(run.record, record)
    return record


@contextmanager
def turn(run: RunDirectory) -> Iterator[Record]:
    """Hold the run while something of it is written; gives the record. Not to be nested.

    Attempts begin under the same lock: whatever an older one writes is there before the next one looks, or
    is not written at all. Raises Superseded where `run.writer` is no longer the newest attempt.
    """
    with locked(run.path / ".record.lock"):
        record = read(run)
        if run.writer is not None and run.writer != len(record["attempts"]):
            raise Superseded(f"attempt {run.writer} goes no further: {len(record['attempts'])} has begun")
        yield record


def begin_attempt(run: RunDirectory) -> int:
    """Add an attempt (queued) to the run and give its number, from 1."""

    def change(record: Record) -> None:
        number = len(record["attempts"]) + 1
        record["attempts"].append(
            {
                "number": number,
                "state": "queued",
                "started": now(),
                "ended": None,
                "reason": None,
                "nodes": [],
            }
        )
        record["state"] = "queued"
        record["error"] = None

    return len(update(run, change)["attempts"])


def end_attempt(run: RunDirectory, state: str, reason: str, error: Record | None = None) -> None:
    """Close the newest attempt, and the run with it."""
    update(run, lambda record: close(record, state, reason, error, now()))


def gather_machines(run: RunDirectory, number: int) -> None:
    """Put what the nodes of attempt `number` told of themselves into the record."""
    told = [read_json(path) for path in sorted(run.attempt(number).glob(MACHINES))]
    machines = {facts["host"]: facts for facts in told if facts}
    update(run, lambda record: record["attempts"][number - 1].update(machines=machines))


def hand_to(run: RunDirectory, job_id: str, **launch: Any) -> None:
    """The newest attempt is that job's, started from this machine; `launch` are further keys of `launch`."""

    def change(record: Record) -> None:
        record["launch"].update(job_id=job_id, **launch)
        # A local job's id means something on its own machine only.
        record["attempts"][-1].update(job_id=job_id, host=os.uname().nodename)

    update(run, change)


def hand_over(run: RunDirectory) -> None:
    """Close the newest attempt, whose training ended well: the job that waited for it is the run's now."""

    def change(record: Record) -> None:
        launch, attempt = record["launch"], record["attempts"][-1]
        then = launch.get("then")
        if then is None:
            # Whoever submitted was killed between the two.
            attempt.update(state="preempted", ended=now(), reason="trained; no job is queued for the rest")
            record["state"] = "preempted"
            return
        attempt.update(state="completed", ended=now(), reason=f"trained; the rest in job {then}")
        launch.update(job_id=then, then=None)
        record["state"] = "queued"

    update(run, change)


def begin_stage(run: RunDirectory, name: str) -> None:
    """Mark stage `name` as running."""

    def change(record: Record) -> None:
        entry = _stage(record, name)
        entry.update(state="running", started=now(), ended=None, seconds=None)

    update(run, change)


def end_stage(
    run: RunDirectory, name: str, detail: Record, merge: Callable[[Record], None] | None = None
) -> None:
    """Mark stage `name` as completed; `merge` puts what it found into the rest of the record."""

    def change(record: Record) -> None:
        entry = _stage(record, name)
        entry.update(state="completed", ended=now(), detail=detail)
        entry["seconds"] = seconds_between(entry["started"], entry["ended"])
        if merge:
            merge(record)

    update(run, change)


def _stage(record: Record, name: str) -> Record:
    for entry in record["stages"]:
        if entry["name"] == name:
            return entry
    entry = {"name": name, "state": "created", "started": None, "ended": None, "seconds": None, "detail": {}}
    record["stages"].append(entry)
    return entry
