"""A search whose workers are tasks of an array on a real Slurm, one of which is put back into the queue."""

import json

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


def test_requeued_worker(site):
    """Two workers, six trials: a requeued worker goes on with its trial, in the end all is told."""
    own = site.words(
        1, 1, export__merge="false", max_steps=300, checkpoint__every=20, optim__gradient_accumulation=2
    )
    fixed = [word for word in own if word.partition("=")[0] not in ("lr", "rank")]
    search = [
        "search=asha",
        "search.trials=6",
        "search.workers=2",
        "search.min_steps=40",
        "search.reduction=2",
    ]
    answer = site.ftcore("-m", *search, *fixed, "lr=0.0005,0.005,0.02", "rank=2,8", "--json")
    assert answer.code == 0, answer.err
    (sweep,) = directory.every(site.runs)
    assert json.loads(answer.out)["id"] == sweep.id
    (job,) = [one["id"] for one in directory.read(sweep)["jobs"]]

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
