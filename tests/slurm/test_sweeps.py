"""A sweep as one array on a real Slurm: frozen, surviving, complete."""

import os
import signal
import subprocess
import sys

import pytest

from ftcore.runs import record
from ftcore.sweeps import directory, standing
from ftcore.sweeps.directory import SweepDirectory
from tests.slurm.runs import Site, losses, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def site(slurm, tiny, tmp_path, monkeypatch) -> Site:
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    return Site(slurm, tiny, tmp_path / "runs")


def words(site: Site, **changed) -> list[str]:
    """A tiny experiment, of one rank a trial, with nothing after the training's end but the adapter."""
    own = {"export__merge": "false", "max_steps": 60, "checkpoint__every": 10, **changed}
    fixed = site.words(1, 1, **own)
    swept = {"lr", "rank", "optim.warmup_ratio"}
    return [word for word in fixed if word.partition("=")[0] not in swept]


def the_sweep(site: Site) -> SweepDirectory:
    (sweep,) = directory.every(site.runs)
    return sweep


def test_three_by_three_by_three(site):
    """27 trials in one array: the submitting shell killed, two trials that fail, a node lost midway; every
    other trial is complete, each record is its own."""
    broken = site.runs / "broken.jsonl"
    site.runs.mkdir()
    broken.write_text('{"messages": [{"role": "user"}]}\n')
    axes = ["lr=0.005,0.01,0.02", "rank=2,4,8", "optim.warmup_ratio=0.1,0.2,0.3"]
    command = [
        sys.executable,
        "-m",
        "ftcore",
        "-m",
        *words(site),
        *axes,
        "cluster.array_parallelism=6",
        "--wait",
    ]
    shell = subprocess.Popen(
        command, env={**os.environ, **site.cluster.env}, start_new_session=True, stdout=subprocess.DEVNULL
    )
    wait_for(lambda: [s for s in directory.every(site.runs) if directory.read(s)["jobs"]], 120)
    os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
    sweep = the_sweep(site)
    (job,) = [one["id"] for one in directory.read(sweep)["jobs"]]
    entries = directory.trials(sweep)
    assert len(entries) == 27 and len({entry.config_hash for entry in entries}) == 27
    # Two that will fail: their frozen configuration names data that cannot be read.
    for entry in entries[-2:]:
        run = sweep.run(entry)
        run.config.write_text(run.config.read_text().replace(str(site.tiny.data), str(broken)))
    wait_for(lambda: record.read(sweep.run(entries[3]))["state"] == "running", 300)
    site.cluster.fail_node("node01", tell=True)
    wait_for(lambda: not site.cluster.squeue("-j", job), 1500)
    found = standing.standings(sweep)
    states = [one.state for one in found]
    assert states[:25] == ["completed"] * 25 and states[25:] == ["failed"] * 2, states
    for one in found[:25]:
        run = sweep.run(one.entry)
        entry = record.read(run)
        assert entry["sweep"] == sweep.id and entry["trial"] == one.entry.number
        assert f"lr={entry['config']['lr']:g}" in " ".join(one.entry.point)
        assert [step for step, _ in losses(run)] == list(range(1, 61))
    for one in found[25:]:
        assert str(broken) in record.read(sweep.run(one.entry))["error"]["message"]
    assert standing.missing(sweep, found) == [25, 26]


def test_limits_of_the_cluster(site):
    """More trials than the user may have in the queue: tasks take several; more than an array may have:
    several arrays. Nothing is lost or done twice."""
    from ftcore.sweeps.slurm import arrays

    numbers = list(range(250))
    split = list(arrays(numbers, 100, None))
    assert [len(array) for array in split] == [100, 100, 50]
    packed = list(arrays(numbers, 100, 60))
    assert sum(len(array) for array in packed) <= 60
    for found in (split, packed):
        assert [number for array in found for task in array for number in task] == numbers


@pytest.fixture
def few_jobs(site):
    """A user who may have three jobs in the queue."""
    limit = ("sacctmgr", "-i", "modify", "user", "where", "name=root", "set")
    site.cluster.run(*limit, "MaxSubmitJobs=3")
    yield
    site.cluster.run(*limit, "MaxSubmitJobs=-1")


def test_several_trials_a_task(site, few_jobs):
    """Eight trials in the three jobs that the user may have, one of which prepares their data: a requeued
    task goes on with the trial it was at, `cancel` ends it for good, `resume` makes what is missing."""
    fresh = {"cache_dir": site.runs / ".cache", "max_steps": 200, "checkpoint__every": 20}
    axes = ["lr=0.005,0.01,0.02,0.03", "rank=2,4"]
    answer = site.ftcore("-m", *words(site, **fresh), *axes, "--json")
    assert answer.code == 0, answer.err
    sweep = the_sweep(site)
    (job,) = directory.read(sweep)["jobs"]
    assert directory.read(sweep)["prepare"] and job["tasks"] == 2
    runs = [sweep.run(entry) for entry in directory.trials(sweep)]
    # Each task takes four: the second of the first one has begun, the third has not.
    wait_for(lambda: len(losses(runs[1])) > 30, 300)
    assert record.read(runs[0])["state"] == "completed" and record.read(runs[2])["state"] == "created"
    site.cluster.requeue(f"{job['id']}_0")
    wait_for(lambda: record.read(runs[2])["state"] == "running", 300)
    attempts = [record.read(run)["attempts"] for run in runs]
    assert [len(own) for own in attempts[:3]] == [1, 2, 1] and attempts[1][0]["state"] == "preempted"
    assert {own["job_id"] for run in attempts[:3] for own in run} == {f"{job['id']}_0"}

    assert site.ftcore("cancel", sweep.id, "--runs-dir", site.runs).code == 0
    wait_for(lambda: not site.cluster.squeue(), 120)
    states = [one.state for one in standing.standings(sweep)]
    assert states[:2] == ["completed"] * 2 and states[2:4] == ["cancelled"] * 2
    assert not record.read(runs[3])["attempts"]
    before = [record.read(run)["attempts"] for run in runs]
    resumed = site.ftcore("resume", sweep.id, "--runs-dir", site.runs, "--wait")
    assert resumed.code == 0, resumed.err + resumed.out
    assert [one.state for one in standing.standings(sweep)] == ["completed"] * 8
    assert [[step for step, _ in losses(run)] for run in runs] == [list(range(1, 201))] * 8
    more = [len(record.read(run)["attempts"]) - len(own) for run, own in zip(runs, before, strict=True)]
    assert more == [state != "completed" for state in states]


def test_cancelled_and_gone_on_with(site):
    """`cancel SWEEP` takes back what waits; `resume SWEEP` makes what is missing, and only that."""
    answer = site.ftcore(
        "-m", *words(site), "lr=0.005,0.01,0.02,0.03", "rank=4", "cluster.array_parallelism=1", "--json"
    )
    assert answer.code == 0, answer.err
    sweep = the_sweep(site)
    first = sweep.run(directory.trials(sweep)[0])
    wait_for(lambda: record.read(first)["state"] == "completed", 120)
    assert site.ftcore("cancel", sweep.id, "--runs-dir", site.runs).code == 0
    wait_for(lambda: not site.cluster.squeue(), 120)
    done = [one for one in standing.standings(sweep) if one.state == "completed"]
    assert 1 <= len(done) < 4
    resumed = site.ftcore("resume", sweep.id, "--runs-dir", site.runs, "--wait")
    assert resumed.code == 0, resumed.err + resumed.out
    assert [one.state for one in standing.standings(sweep)] == ["completed"] * 4
    assert len(record.read(first)["attempts"]) == 1
