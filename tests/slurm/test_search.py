"""A search whose workers are tasks of an array on a real Slurm: requeued, cancelled, gone on with."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ftcore.runs import metrics, record
from ftcore.sweeps import directory, frozen, lease, standing, workers
from ftcore.sweeps.study import Study
from launchers import slurm_queue
from tests.slurm.runs import Site, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def site(slurm, tiny, tmp_path, monkeypatch) -> Site:
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    return Site(slurm, tiny, tmp_path / "runs")


def begin(site: Site, *words: str) -> tuple[directory.SweepDirectory, str]:
    """A search in the queue, with a cache of its own, and the id of its workers' array."""
    own = site.words(
        1, 1, export__merge="false", max_steps=300, checkpoint__every=20, optim__gradient_accumulation=2,
        cache_dir=site.runs / ".cache",
    )  # fmt: skip
    fixed = [word for word in own if word.partition("=")[0] not in ("lr", "rank")]
    answer = site.ftcore("-m", *fixed, *words, "--json")
    assert answer.code == 0, answer.err
    (sweep,) = directory.every(site.runs)
    assert json.loads(answer.out)["id"] == sweep.id
    (job,) = [one["id"] for one in directory.read(sweep)["jobs"]]
    return sweep, job


def test_requeued_worker(site):
    """Two workers, six trials: a requeued worker goes on with its trial, in the end all is told."""
    search = [
        "search=asha",
        "search.trials=6",
        "search.workers=2",
        "search.min_steps=40",
        "search.reduction=2",
    ]
    sweep, job = begin(site, *search, "lr=0.0005,0.005,0.02", "rank=2,8")

    def begun() -> list[directory.TrialEntry]:
        entries = directory.trials(sweep)
        return [entry for entry in entries if len(metrics.read(sweep.run(entry).metrics)) >= 25]

    wait_for(begun, 300)
    first = begun()[0]
    site.cluster.requeue(lease.holder(sweep.path, first.number)["worker"].removeprefix("task "))
    wait_for(lambda: not slurm_queue.array_tasks([job]), 1200)

    found = standing.standings(sweep)
    assert len(found) == 6 and {one.state for one in found} <= {"completed", "pruned"}
    assert {one.state for one in found} == {"completed", "pruned"}
    entries = [record.read(sweep.run(one.entry)) for one in found]
    assert all("judged" in entry for entry in entries)
    attempts = entries[first.number]["attempts"]
    assert len(attempts) >= 2 and attempts[0]["state"] == "preempted"
    kept = frozen.load(sweep)
    trials = Study(sweep.path, kept.search, kept.axes).trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert workers.left(sweep) == 0 and not standing.going_on(sweep, found)
    assert min(len(metrics.read(sweep.run(one.entry).metrics)) for one in found) < 300

    # Their data was there before the first of them began: a job of its own had prepared it.
    (data,) = {entry["data"]["prepared"] for entry in entries}
    written = (Path(data) / "manifest.json").stat().st_mtime
    assert written < min(datetime.fromisoformat(e["attempts"][0]["started"]).timestamp() + 1 for e in entries)
    assert directory.read(sweep)["prepare"] and not any(entry["error"] for entry in entries)


def test_cancelled_and_gone_on_with(site):
    """`status` tells of both trials under way and of those to come; `cancel` lets them save and ends the
    workers; `resume` goes on with them and asks for the others."""
    sweep, _ = begin(site, "search=tpe", "search.trials=4", "search.workers=2", "lr=0.005,0.01", "rank=2,8")

    def steps() -> list[int]:
        return [len(metrics.read(sweep.run(entry).metrics)) for entry in directory.trials(sweep)]

    wait_for(lambda: len(steps()) == 2 and min(steps()) > 20, 300)
    here = (sweep.id, "--runs-dir", site.runs)
    told = site.ftcore("status", *here, "--json").json
    assert told["counts"] == {"running": 2} and (told["total"], told["to_come"]) == (4, 2)
    assert told["going_on"] and told["best"] is None
    assert site.ftcore("cancel", *here).code == 0
    wait_for(lambda: not site.cluster.squeue(), 120)
    told = site.ftcore("status", *here, "--json").json
    assert told["counts"] == {"cancelled": 2} and not told["going_on"] and min(steps()) > 20
    resumed = site.ftcore("resume", *here, "--wait")
    assert resumed.code == 0, resumed.err + resumed.out
    assert [one.state for one in standing.standings(sweep)] == ["completed"] * 4
    attempts = [record.read(sweep.run(entry))["attempts"] for entry in directory.trials(sweep)]
    assert [len(own) for own in attempts] == [2, 2, 1, 1] and steps() == [300] * 4
