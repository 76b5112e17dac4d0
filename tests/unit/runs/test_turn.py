"""Only the newest attempt writes into a run."""

import threading

import pytest

from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json


@pytest.fixture
def run(tmp_path):
    write_json(tmp_path / "record.json", {"state": "created", "attempts": [], "stages": [], "error": None})
    return RunDirectory(tmp_path)


def test_an_older_attempt_changes_nothing(run):
    """Its end, its stages and its warnings are not those of the attempt that runs now."""
    older = RunDirectory(run.path, writer=record.begin_attempt(run))
    record.begin_stage(older, "train")
    record.begin_attempt(run)
    before = record.read(run)
    for write in (
        lambda: record.end_attempt(older, "failed", "peers left"),
        lambda: record.begin_stage(older, "merge"),
        lambda: record.end_stage(older, "train", {}),
        lambda: record.update(older, lambda entry: entry.update(state="completed")),
    ):
        with pytest.raises(record.Superseded, match="attempt 1 goes no further: 2 has begun"):
            write()
    assert record.read(run) == before


def test_no_attempt_begins_within_a_turn(run):
    """What a turn writes is there before the next attempt looks."""
    older = RunDirectory(run.path, writer=record.begin_attempt(run))
    with record.turn(older):
        other = threading.Thread(target=record.begin_attempt, args=(run,))
        other.start()
        other.join(0.2)
        assert other.is_alive() and len(record.read(run)["attempts"]) == 1
    other.join()
    with pytest.raises(record.Superseded), record.turn(older):
        pytest.fail("an older attempt had its turn")
