"""What became of a run whose processes are gone."""

import pytest

from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json
from ftcore.runs.reconcile import reconcile

FRESH = {
    "state": "created",
    "attempts": [],
    "stages": [],
    "error": None,
    "hardware": {"hostname": "n"},
    "launch": {"tasks_per_node": 4},
}


def failure(rank, time, message="boom"):
    return {
        "stage": "train",
        "rank": rank,
        "node": "n",
        "type": "E",
        "message": message,
        "traceback": "",
        "time": time,
    }


@pytest.fixture
def run(tmp_path):
    """A run whose first attempt is open in stage train."""
    write_json(tmp_path / "record.json", FRESH)
    run = RunDirectory(tmp_path)
    record.begin_attempt(run)
    record.begin_stage(run, "train")
    run.attempt(1).mkdir(parents=True)
    return run


def test_died_without_a_word(run):
    """Processes that ended silently failed in the stage that was running, with the end of their log."""
    (run.attempt(1) / "rank0.err").write_text("\n".join(map(str, range(100))))
    entry = reconcile(run)
    assert entry["state"] == "failed"
    assert entry["error"]["stage"] == "train" and entry["error"]["type"] == "ProcessDied"
    assert entry["error"]["traceback"].splitlines()[0] == "80"
    assert entry["stages"][0]["state"] == "failed"


def test_died_before_anything(tmp_path):
    """A job that never reached a stage is told so, log or none."""
    write_json(tmp_path / "record.json", FRESH)
    run = RunDirectory(tmp_path)
    record.begin_attempt(run)
    assert reconcile(run)["error"]["stage"] == "start"


def test_earliest_failure_is_the_cause(run):
    """Of several ranks' failures the first in time is the reason, whatever its rank."""
    write_json(run.attempt(1) / "failure.rank0.json", failure(0, "2026-01-01T00:00:02.5+00:00", "peer left"))
    write_json(
        run.attempt(1) / "failure.rank3.json", failure(3, "2026-01-01T00:00:02.1+00:00", "out of memory")
    )
    entry = reconcile(run)
    assert entry["error"]["message"] == "out of memory"
    assert entry["attempts"][-1]["reason"] == "out of memory"


def test_cause_found_after_rank_0_closed(run):
    """Where rank 0 already closed the run with its own failure, an earlier one takes its place."""
    late = failure(0, "2026-01-01T00:00:02+00:00", "peer left")
    record.end_attempt(run, "failed", "peer left", late)
    write_json(run.attempt(1) / "failure.rank0.json", late)
    write_json(run.attempt(1) / "failure.rank1.json", failure(1, "2026-01-01T00:00:01+00:00", "nan"))
    assert reconcile(run)["error"]["message"] == "nan"


def test_stopped_by_the_user(run):
    """A run that was asked to stop and is gone is what it was asked to be."""
    write_json(run.attempt(1) / "stop.json", {"state": "cancelled", "reason": "stopped by the user"})
    entry = reconcile(run)
    assert (entry["state"], entry["error"]) == ("cancelled", None)


@pytest.mark.parametrize("state", ["completed", "cancelled", "preempted"])
def test_closed_runs_stay(run, state):
    """A run that closed itself is left alone, even if a rank complained on its way out."""
    record.end_attempt(run, state, "done")
    before = record.read(run)
    write_json(run.attempt(1) / "failure.rank1.json", failure(1, "2026-01-01T00:00:01+00:00"))
    assert reconcile(run) == before


def test_only_the_newest_attempt_counts(run):
    """Failures of an earlier attempt are not the reason of this one."""
    write_json(run.attempt(1) / "failure.rank0.json", failure(0, "2026-01-01T00:00:01+00:00", "old"))
    reconcile(run)
    record.begin_attempt(run)
    assert "without a word" in reconcile(run)["error"]["message"]
