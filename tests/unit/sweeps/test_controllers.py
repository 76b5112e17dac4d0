"""What works through a sweep on this machine: stops that come at a bad moment, data prepared once."""

import os

import pytest

from ftcore.runs import attempt_files, record
from ftcore.runs.create import Request
from ftcore.runs.files import read_json
from ftcore.sweeps import directory, local, prepare, workers
from ftcore.sweeps.create import create
from ftcore.sweeps.local import Controller, Slot
from ftcore.sweeps.request import request
from tests.unit.sweeps.searches import search

MOST_LOOKS = 20


class Pretended:
    """A job that runs until it is stopped; `deaf` to the first request, as before its ranks listen."""

    id = "1"

    def __init__(self, deaf: bool = False) -> None:
        self.ended, self.deaf, self.looks = False, deaf, 0

    def alive(self) -> bool:
        self.looks += 1
        assert self.looks < MOST_LOOKS, "nobody stops it"
        return not self.ended

    def stop(self) -> None:
        self.ended, self.deaf = not self.deaf, False


@pytest.fixture
def grid(tmp_path):
    """A sweep of two trials, frozen."""
    own = ["hardware=cpu", "name=swept", f"runs_dir={tmp_path}", f"cache_dir={tmp_path}/.cache"]
    asked = request([*own, "lr=0.01,0.02"], None)
    return create(asked, asked.trials, Request("python -m ftcore -m", os.getcwd()), tmp_path)


def stopped_while_it_begins(grid, monkeypatch, job: Pretended, at: str) -> Controller:
    """A controller that gets its signal in the middle of starting the first trial."""
    controller = Controller(grid, directory.trials(grid))
    monkeypatch.setattr(local, "POLL_SECONDS", 0.01)

    class Launcher:
        def submit(self, spec):
            spec.log_dir.mkdir(parents=True)
            if at == "submit":
                controller.stop()
            return job

    hand_to = record.hand_to

    def handed(*given) -> None:
        hand_to(*given)
        if at == "handed":
            controller.stop()

    monkeypatch.setattr(local, "LocalLauncher", Launcher)
    monkeypatch.setattr(local.record, "hand_to", handed)
    controller.work()
    return controller


@pytest.mark.parametrize("at", ["submit", "handed"])
def test_stop_while_a_trial_is_started(grid, monkeypatch, at):
    """It ends that trial as cancelled and begins no other, at whichever moment of the start it comes."""
    job = Pretended()
    stopped_while_it_begins(grid, monkeypatch, job, at)
    first, second = (grid.run(entry) for entry in directory.trials(grid))
    assert job.ended and record.read(second)["state"] == "created"
    assert read_json(first.attempt(1) / attempt_files.STOP)["reason"] == "the sweep was cancelled"
    assert record.read(first)["state"] == "cancelled"


def test_stop_that_was_not_heard(grid, monkeypatch):
    """Ranks that did not listen yet are asked again."""
    monkeypatch.setattr(local, "AGAIN_SECONDS", 0.05)
    job = Pretended(deaf=True)
    stopped_while_it_begins(grid, monkeypatch, job, "submit")
    assert job.ended


def prepared_by(monkeypatch, controller) -> list[int]:
    """How many sets of data each preparation had."""
    asked: list[int] = []
    monkeypatch.setattr(prepare, "here", lambda folder, configs, stopping: asked.append(len(configs)))
    controller.prepare()
    return asked


def test_trials_beside_each_other_share_data(grid, monkeypatch):
    """Before the first of them starts, where there is room for several at once; else each finds it."""
    controller = Controller(grid, directory.trials(grid))
    assert prepared_by(monkeypatch, controller) == []
    controller.slots = [Slot((0,)), Slot((1,))]
    assert prepared_by(monkeypatch, controller) == [1]


@pytest.mark.parametrize(
    ("words", "sets"),
    [
        (("lr=0.01,0.02", "rank=8,16"), 1),
        (("lr=0.01,0.02", "max_length=512,1024"), 2),
        (("lr=interval(0.01,0.02)",), 1),
        (("max_length=int(interval(512,1024))",), 0),
        (("max_length=512,1024,2048",), 0),
    ],
)
def test_data_that_a_search_shares(tmp_path, monkeypatch, words, sets):
    """A set for each value of an axis that has a say in it, as long as two trials would share one."""
    sweep = search(tmp_path, "search=tpe", "search.trials=5", *words)
    assert len(prepare.kept(sweep)) == sets
    controller = workers.Controller(sweep, 2)
    controller.slots = [Slot((0,)), Slot((1,))]
    assert prepared_by(monkeypatch, controller) == [sets] * bool(sets)


def test_workers_wait_for_the_data(tmp_path, monkeypatch):
    """On Slurm one job of one task prepares it, and the array of workers waits for that."""
    from ftcore.sweeps import slurm

    sweep = search(tmp_path, "search=tpe", "search.trials=4", "lr=0.01,0.02", "cluster=slurm", "nodes=2",
                   "hardware.devices_per_node=1")  # fmt: skip
    submitted = []

    class Launcher:
        def submit(self, spec):
            submitted.append(spec)
            return Pretended()

    monkeypatch.setattr(slurm, "slurm", lambda *_: Launcher())
    workers.start(sweep)
    first, second = submitted
    assert (first.nodes, first.tasks_per_node, first.array) == (1, 1, 0)
    assert first.around[0] == "ftcore.sweeps.prepare" and len(first.function.configs) == 1
    assert second.around[0] == "ftcore.sweeps.searching" and second.after_any == "1" and second.nodes == 2
    assert directory.read(sweep)["prepare"] == "1"
