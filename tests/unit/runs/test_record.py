"""The record under many writers, and its attempts and stages."""

import multiprocessing
from pathlib import Path

import pytest

from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json

FRESH = {
    "schema_version": 2,
    "id": "x",
    "state": "created",
    "attempts": [],
    "stages": [],
    "error": None,
    "counts": {},
}


@pytest.fixture
def run(tmp_path):
    write_json(tmp_path / "record.json", FRESH)
    return RunDirectory(tmp_path)


def count(path: Path, who: int) -> None:
    """Add 25 entries, one update each."""
    for number in range(25):
        record.update(RunDirectory(path), lambda entry, n=number: entry["counts"].update({f"{who}.{n}": n}))


def test_many_writers_lose_nothing(run):
    """Updates from many processes all arrive."""
    jobs = [multiprocessing.get_context("spawn").Process(target=count, args=(run.path, i)) for i in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(record.read(run)["counts"]) == 75


def test_failed_change_is_not_written(run):
    """A change that raises leaves the record as it was, and the lock free."""
    with pytest.raises(KeyError):
        record.update(run, lambda entry: entry.update(state="running") or entry["no such key"])
    assert record.read(run) == FRESH
    record.update(run, lambda entry: entry.update(state="running"))
    assert record.read(run)["state"] == "running"


def test_attempts_are_numbered(run):
    """Each start adds an attempt, clears the last error and queues the run."""
    assert record.begin_attempt(run) == 1
    record.end_attempt(run, "failed", "why", {"message": "why"})
    assert record.read(run)["error"] == {"message": "why"}
    assert record.begin_attempt(run) == 2
    entry = record.read(run)
    assert (entry["state"], entry["error"]) == ("queued", None)
    assert [attempt["state"] for attempt in entry["attempts"]] == ["failed", "queued"]


def test_end_of_an_attempt_closes_its_stage(run):
    """A stage that was running ends as the attempt does; a completed one stays so."""
    record.begin_attempt(run)
    record.begin_stage(run, "prepare")
    record.end_stage(run, "prepare", {"rows": 3})
    record.begin_stage(run, "train")
    record.end_attempt(run, "preempted", "signal 15")
    stages = {stage["name"]: stage for stage in record.read(run)["stages"]}
    assert stages["prepare"]["state"] == "completed" and stages["prepare"]["detail"] == {"rows": 3}
    assert stages["train"]["state"] == "preempted" and stages["train"]["ended"]


def test_stage_again(run):
    """A stage that is done again keeps its one entry."""
    for _ in range(2):
        record.begin_stage(run, "train")
        record.end_stage(run, "train", {})
    assert len(record.read(run)["stages"]) == 1


def test_seconds_across_time_zones():
    """Durations count the offset."""
    assert record.seconds_between("2026-01-01T00:00:00+00:00", "2026-01-01T02:00:30+02:00") == 30
