"""Following a run, with a tracker that does as it is told, or not."""

import json

import pytest

from ftcore.config.compose import compose, to_yaml
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.tracking.files import Sent, read_sent, write_sent
from ftcore.tracking.process import WARNED, Tracking

pytest.importorskip("mmengine")

from ftcore.tracking.follow import guarded


class Noted:
    """A tracker that keeps what it is given; raises at the call named `broken`."""

    id = "there"

    def __init__(self, broken: str = "") -> None:
        self.broken, self.calls = broken, []

    def __getattr__(self, name):
        def call(*given):
            if name == self.broken:
                raise ConnectionError(f"{name} failed\nat length")
            self.calls.append((name, *given))

        return call

    def steps(self) -> list[int]:
        return [call[2] for call in self.calls if call[0] == "scalars" and "loss" in call[1]]


@pytest.fixture
def e(tmp_path):
    return compose(["tracker=tensorboard", "hardware=cpu", f"runs_dir={tmp_path}"]).experiment


@pytest.fixture
def run(tmp_path, e):
    """A completed run of five steps."""
    run = RunDirectory(tmp_path / "name" / "id")
    run.path.mkdir(parents=True)
    run.config.write_text(to_yaml(e))
    entry = {
        "id": "id", "name": "name", "config_hash": "h", "state": "completed", "attempts": [{}], "stages": [],
        "results": {}, "artifacts": [], "schema_version": record.SCHEMA_VERSION,
    }  # fmt: skip
    run.record.write_text(json.dumps(entry))
    write_metrics(run, 5)
    return run


def write_metrics(run, last):
    run.metrics.write_text("".join(json.dumps({"step": n, "loss": 1 / n}) + "\n" for n in range(1, last + 1)))


def follow(e, run, backend, after=None):
    return guarded(e, run, after, lambda: True, lambda *_: backend)


def test_everything_is_sent_once(e, run):
    """Every step, then the outcome and the files; a second attempt sends no step again."""
    first, second = Noted(), Noted()
    assert follow(e, run, first, 0) == 0
    assert [call[0] for call in first.calls] == ["parameters", *["scalars"] * 6, "files", "close"]
    assert first.steps() == [1, 2, 3, 4, 5] and read_sent(run) == Sent("tensorboard", "there", 5)
    write_metrics(run, 7)
    assert follow(e, run, second, 5) == 0
    assert second.steps() == [6, 7] and second.calls[0][0] == "parameters"


def test_steps_taken_back_are_sent_again(e, run):
    """Training that goes on after an older checkpoint repeats steps, and so does its tracker."""
    follow(e, run, Noted(), 0)
    again = Noted()
    follow(e, run, again, 3)
    assert again.steps() == [4, 5]


def test_what_an_attempt_could_not_send_is_sent_by_the_next(e, run):
    """A checkpoint at step 5 does not hide that the tracker has only two steps."""
    write_sent(run, Sent("tensorboard", "there", 2))
    later = Noted()
    follow(e, run, later, 5)
    assert later.steps() == [3, 4, 5]


def test_another_tracker_begins_anew(e, run):
    """What one tracker has is nothing to another."""
    write_sent(run, Sent("mlflow", "12", 5))
    other = Noted()
    follow(e, run, other)
    assert other.steps() == [1, 2, 3, 4, 5] and other.calls[0][0] == "parameters"


def test_a_run_that_goes_on_is_not_closed_for_good(e, run):
    """Outcome and files wait until there is one: a preempted run, or one whose merge is another job's."""
    record.update(run, lambda entry: entry.update(state="queued"))
    backend = Noted()
    follow(e, run, backend, 0)
    assert [call[0] for call in backend.calls][-1] == "close" and backend.calls[-1][1] == "queued"
    assert "files" not in {call[0] for call in backend.calls}


def test_a_newer_attempt_takes_over(e, run):
    """A follower whose attempt is no longer the newest sends nothing more and closes nothing."""
    backend = Noted()

    def ended():
        record.update(run, lambda entry: entry["attempts"].append({}))
        return True

    assert guarded(e, run, 0, ended, lambda *_: backend) == 0
    assert [call[0] for call in backend.calls] == ["parameters"] and read_sent(run).step == 0


@pytest.mark.parametrize("call", ["parameters", "scalars", "files", "close"])
def test_any_failure_is_one_warning(e, run, call):
    """Whatever raises: told once, in one line, and the exit code says that it was."""
    assert follow(e, run, Noted(broken=call), 0) == WARNED
    warnings = record.read(run)["attempts"][-1]["warnings"]
    assert warnings == [f"tracker tensorboard is left out: ConnectionError: {call} failed"]


def test_no_tracker_and_other_ranks_start_nothing(e, run):
    """Without a tracker, or on another rank, there is no process."""
    none = compose(["hardware=cpu"]).experiment
    for tracking in (Tracking(none, run, run.path, active=True), Tracking(e, run, run.path, active=False)):
        tracking.begin(0)
        tracking.end(hurry=False)
        assert tracking.process is None
