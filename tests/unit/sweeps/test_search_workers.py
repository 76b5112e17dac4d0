"""Workers of a search that die, wait, fail and agree; nothing is trained."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ftcore.config.errors import RequestError
from ftcore.hardware import detect
from ftcore.runs import record
from ftcore.sweeps import directory, frozen, lease, standing, workers
from ftcore.sweeps.request import request
from tests.unit.sweeps import searches
from tests.unit.sweeps.searches import records, search, work

ROOT = Path(__file__).parents[3]
ASHA = ("search=asha", "search.min_steps=3", "search.reduction=3")
NINE = ("lr=0.01,0.02,0.03", "rank=8,16,64")


@pytest.fixture(autouse=True)
def this_machine():
    """Workers assume another machine for the rest of their process."""
    yield
    detect._assumed = None
    detect.this_machine.cache_clear()


def test_wrong_values_are_told_first(tmp_path):
    """A wrong value of any axis, a wrong choice and a wrong condition are told before anything is made."""
    own = [*searches.WORDS, f"runs_dir={tmp_path}"]
    with pytest.raises(RequestError) as told:
        request([*own, "search=tpe", "lr=1e-4,abc", "rank=8,-2", "precision.dtype=fp32,fp23"], None)
    assert [problem.key for problem in told.value.problems] == ["lr", "rank", "precision.dtype"]
    with pytest.raises(RequestError, match="no choice named"):
        request([*own, "search=asha", "optim=adamw,adamww"], None)
    with pytest.raises(RequestError, match="rnk"):
        request([*own, "search=tpe", "lr=1e-4,1e-3", "search.skip=['rnk > 4']"], None)
    assert not list(tmp_path.iterdir())


def test_halving(tmp_path):
    """Every point is begun, few go on; the best one is complete, and records say what became of each."""
    sweep = search(tmp_path, *ASHA, "search.trials=20", *NINE)
    work(sweep)
    found = standing.standings(sweep)
    assert len(found) == 9 and {one.state for one in found} == {"completed", "pruned"}
    assert standing.best(found).entry.point == ("lr=0.01", "rank=8")
    pruned = [entry for entry in records(sweep) if entry["state"] == "cancelled"]
    assert all(entry["pruned"] in (3, 9, 27) for entry in pruned)
    assert all(entry["attempts"][-1]["reason"] == f"pruned at step {entry['pruned']}" for entry in pruned)
    assert all(entry["judged"]["value"] is None for entry in pruned)


def test_failed_trials_are_results(tmp_path):
    """The search goes on after a trial that failed, and counts it."""
    sweep = search(tmp_path, "search=tpe", "search.trials=4", "lr=0.01,0.02,0.9,0.03")
    worker = work(sweep)
    assert sorted(entry["state"] for entry in records(sweep)) == ["completed"] * 3 + ["failed"]
    (failed,) = worker.study.trials(TrialState.FAIL)
    assert failed.user_attrs["reason"] == "out of memory"
    assert workers.left(sweep) == 0


def test_known_points_and_conditions(tmp_path):
    """A point is trained once, one that a condition leaves out not at all; neither counts as a trial."""
    sweep = search(
        tmp_path,
        "search=tpe",
        "search.trials=30",
        "lr=0.01,0.02",
        "rank=8,16",
        "search.skip=['rank > 8 and lr > 0.01']",
    )
    worker = work(sweep)
    assert len(records(sweep)) == 3
    assert worker.study.tried() == 3 and workers.left(sweep) == 0
    told = {trial.user_attrs.get("left_out", "")[:8] for trial in worker.study.trials()}
    assert "search.s" in told


def test_other_metric(tmp_path):
    """A key of the results is judged at the end alone."""
    sweep = search(
        tmp_path,
        *ASHA,
        *NINE,
        "search.metric=tokens_per_second",
        "search.direction=maximize",
        "search.trials=9",
    )
    work(sweep)
    assert {entry["state"] for entry in records(sweep)} == {"completed"}
    assert "rank=64" in standing.best(standing.standings(sweep)).entry.point


def test_accelerator_hours(tmp_path):
    """No further point is asked for once enough was used."""

    def long_ago(run, step):
        if step == 1:
            started = "2020-01-01T00:00:00+00:00"
            record.update(run, lambda entry: entry["attempts"][-1].update(started=started))

    sweep = search(tmp_path, "search=tpe", "search.trials=9", "search.max_accelerator_hours=1", *NINE)
    work(sweep, during=long_ago)
    assert len(records(sweep)) == 1


def test_stop_and_go_on(tmp_path):
    """A stop ends the trial under way and begins no other; the next worker goes on with it."""
    sweep = search(tmp_path, "search=tpe", "search.trials=2", "lr=0.01,0.02")
    work(sweep, during=lambda run, step: workers.stop(sweep) if step == 5 else None)
    (entry,) = records(sweep)
    assert entry["state"] == "cancelled" and entry["attempts"][-1]["reason"] == "the sweep was cancelled"
    assert workers.left(sweep) == 2
    workers.stop_file(sweep).unlink()
    work(sweep)
    assert [entry["state"] for entry in records(sweep)] == ["completed"] * 2
    assert [len(entry["attempts"]) for entry in records(sweep)] == [2, 1]


def test_job_taken_back(tmp_path):
    """Slurm takes the job back: its trial is saved, is no result, and the worker asks for nothing more; in
    the job's next life it goes on with that."""
    sweep = search(tmp_path, "search=tpe", "search.trials=3", "lr=0.01,0.02,0.03")

    class Job(searches.Pretended):
        def train(self, run, *rest) -> None:
            record.begin_attempt(run)
            record.end_attempt(run, "preempted", "signal SIGTERM")

        def over(self) -> bool:
            return bool(directory.trials(sweep))

    searches.Worker(sweep, Job("task 7_0")).work()
    (entry,) = records(sweep)
    assert entry["state"] == "preempted" and "judged" not in entry and workers.left(sweep) == 3
    work(sweep, "task 7_0")
    assert [entry["state"] for entry in records(sweep)] == ["completed"] * 3
    assert [len(entry["attempts"]) for entry in records(sweep)] == [2, 1, 1]


def _begin(sweep, name: str) -> tuple[subprocess.Popen, str]:
    """A worker in a process of its own that stays in the third step, and the id of its run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.sweeps.searches", str(sweep.path), name], cwd=ROOT,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return process, process.stdout.readline().strip()


def test_killed_worker(tmp_path):
    """SIGKILL: while it lives nobody takes its trial; then the next worker that asks does."""
    sweep = search(tmp_path, "search=tpe", "search.trials=3", "lr=0.01,0.02,0.03")
    first, run = _begin(sweep, "first")
    second, other = _begin(sweep, "second")
    try:
        assert run != other and lease.take(sweep.path, 0, "me") is None
        assert lease.holder(sweep.path, 0) == {
            "worker": "first",
            "host": os.uname().nodename,
            "pid": first.pid,
        }
        first.send_signal(signal.SIGKILL)
        first.wait()
        work(sweep, "third")
        states = {entry["id"]: entry["state"] for entry in records(sweep)}
        assert states[run] == "completed" and states[other] == "running" and len(states) == 3
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    work(sweep, "second")
    assert [entry["state"] for entry in records(sweep)] == ["completed"] * 3
    assert [a["reason"] for a in records(sweep)[0]["attempts"]] == [
        "its worker is gone; another one goes on", "all stages done"]  # fmt: skip


def test_own_trial_first(tmp_path):
    """A worker that is started again goes on with what it had, though another trial is older."""
    sweep = search(tmp_path, "search=tpe", "search.trials=2", "lr=0.01,0.02")
    for name in ("first", "second"):
        process, _ = _begin(sweep, name)
        if name == "first":
            first = process
    for one in (first, process):
        one.kill()
        one.wait()
    order = []
    work(sweep, "second", lambda run, step: order.append(record.read(run)["trial"]) if step == 1 else None)
    assert order == [1, 0]


def test_killed_before_the_run_was_made(tmp_path):
    """An Optuna trial without a run directory, or with half of one, becomes a run of the next worker."""
    sweep = search(tmp_path, "search=tpe", "search.trials=1", "lr=0.01,0.02")
    worker = searches.Worker(sweep, searches.Pretended("first"))
    worker.study.ask()
    (sweep.runs_dir / "searched" / f"{sweep.id}-00000" / "code").mkdir(parents=True)
    work(sweep, "second")
    assert [entry["state"] for entry in records(sweep)] == ["completed"]


def test_composed_from_what_was_frozen(tmp_path):
    """The user's folder and accelerators of this machine have no say once the search was asked for."""
    own = tmp_path / "own" / "optim"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("defaults: [adamw, _self_]\nweight_decay: 0.25\n")
    machine = detect.Machine(cuda=(detect.Device("NVIDIA H100", "sm_90", 80.0),) * 4)
    detect.assume(machine)
    words = [f"runs_dir={tmp_path / 'runs'}", f"cache_dir={tmp_path}/.cache", "hardware.devices_per_node=1"]
    asked = request(["search=tpe", "optim=mine", "lr=0.01,0.02", *words], str(tmp_path / "own"))
    sweep = searches.create(asked, [], searches.Request("ftcore", os.getcwd()), tmp_path / "runs")
    (own / "mine.yaml").write_text("no longer: what it was")
    detect.assume(detect.Machine())
    found = frozen.load(sweep)
    composed, problems = found.variations.compose(("lr=0.02",))
    assert not problems and composed.experiment.optim.weight_decay == 0.25
    assert composed.experiment.hardware.card == "NVIDIA H100"
    assert composed.experiment.precision.dtype == "bf16" and found.asker.command == "ftcore"
    assert directory.read(sweep)["trials"] == found.search.trials


def test_light():
    """The command line does not load Optuna."""
    code = "import sys, ftcore.cli.main, ftcore.cli.sweep; print('optuna' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert said.stdout.strip() == "False"
