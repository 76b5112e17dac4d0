"""`record.json`: what was asked, what it ran on, what came out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ftcore.config import plain_yaml
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import locked, read_json, write_json

SCHEMA_VERSION = 2
"""2 (November 2026): the resolved configuration inside; tags, note, reproduces; the program's identity."""

STATES = ("created", "queued", "running", "completed", "failed", "cancelled", "preempted")
STAGES = ("prepare", "train", "export", "merge", "evaluate")

Record = dict[str, Any]


def now() -> str:
    """Local time with its offset, to the second: 2026-11-24T06:00:00+00:00."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def seconds_between(start: str, end: str) -> float:
    """Seconds from one `now()` text to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def read(run: RunDirectory) -> Record:
    """The record as it stands; writes are atomic, so it is never a part of one."""
    return upgraded(read_json(run.record), run)


def upgraded(record: Record, run: RunDirectory) -> Record:
    """A record of an older schema as this version's readers expect it; a newer one is left as it is."""
    if record.get("schema_version", 1) < 2:
        record = {"reproduces": None, "tags": [], "note": "", **record, "schema_version": 2}
        record["config"] = plain_yaml.load(run.config) if run.config.exists() else {}
        record.get("code", {}).setdefault("source_sha256", None)
        record.get("launch", {}).setdefault("then", None)
    return record


def update(run: RunDirectory, change: Callable[[Record], None]) -> Record:
    """Apply `change` to the record under its lock and write it back in one step."""
    with locked(run.path / ".record.lock"):
        record = read(run)
        change(record)
        write_json(run.record, record)
    return record


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

    def change(record: Record) -> None:
        attempt = record["attempts"][-1]
        attempt.update(state=state, ended=now(), reason=reason)
        record["state"] = state
        record["error"] = error
        for stage in record["stages"]:
            if stage["state"] == "running":
                stage.update(state=state, ended=now())

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


def lose_turn(run: RunDirectory, reason: str) -> None:
    """End a run whose next job was taken out of the queue before it began."""

    def change(record: Record) -> None:
        record["state"] = "cancelled"
        record["attempts"][-1]["reason"] += f"; {reason}"

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
