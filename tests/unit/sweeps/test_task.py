"""An array's task that has several trials: what it begins, and what it leaves to its next life."""

import os
from pathlib import Path

import pytest

from ftcore import batch
from ftcore.runs import record
from ftcore.runs.create import Request
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json
from ftcore.sweeps import task
from ftcore.sweeps.create import create
from ftcore.sweeps.request import request

TAKEN_BACK = "slurmstepd-node01: error: *** JOB 4 ON node01 CANCELLED AT 2026-11-24T16:28:34 DUE TO {}\n"


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Four trials, all of them task 0's."""
    own = ["hardware=cpu", "name=swept", f"runs_dir={tmp_path}", f"cache_dir={tmp_path}/.cache"]
    asked = request([*own, "lr=0.01,0.02,0.03,0.04"], None)
    made = create(asked, asked.trials, Request("python -m ftcore -m", os.getcwd()), tmp_path)
    (made.logs / "1").mkdir(parents=True)
    write_json(made.logs / "1" / task.TASKS, [[0, 1, 2, 3]])
    (made.logs / "slurm-7_0.log").write_text(TAKEN_BACK.format("JOB REQUEUE"))  # of an earlier life
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    return made


@pytest.fixture
def live(sweep, monkeypatch):
    """One life of the task, in which trials end as they are told to; the numbers of those that it began."""

    def live(ends: dict[int, str], say: str = "") -> list[int]:
        begun = []

        def main(arguments: list[str]) -> int:
            run = RunDirectory(Path(arguments[0]))
            begun.append(record.read(run)["trial"])
            end = ends.get(begun[-1], "completed")
            if end != "given up":
                record.begin_attempt(run)
                record.hand_to(run, "7_0")
            record.end_attempt(run, "preempted" if end == "given up" else end, "so it was")
            with (sweep.logs / "slurm-7_0.log").open("a") as log:
                log.write(say)
            return int(end != "completed")

        monkeypatch.setattr(batch, "main", main)
        task.main([str(sweep.path), "1", "--", "srun"])
        return begun

    return live


def test_a_failure_is_one_trials(live):
    """The others follow; a requeued task does not do it again."""
    assert live({1: "failed"}) == [0, 1, 2, 3]
    assert live({}) == []


def test_taken_back(live):
    """After a trial that was preempted it begins no other; its next life goes on with that one."""
    assert live({1: "preempted"}) == [0, 1]
    assert live({}) == [1, 2, 3]


@pytest.mark.parametrize("why", ["JOB REQUEUE", "PREEMPTION", "TIME LIMIT", "NODE FAILURE"])
def test_taken_back_between_two_trials(live, why):
    """The trial before ended well all the same; a step could not be started any more."""
    assert live({}, say=TAKEN_BACK.format(why)) == [0]
    assert live({}) == [1, 2, 3]


def test_too_many_attempts(sweep, live):
    """A trial that has had all of its attempts is left; the task goes on with the next."""
    live({0: "preempted"})
    assert live({0: "given up"}) == [0, 1, 2, 3]
