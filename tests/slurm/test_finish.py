"""Merging and measuring in a job of its own size, after the training's."""

import pytest

from ftcore.runs import record
from tests.slurm.runs import Site, job, losses, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

OWN_JOB = {"cluster__finish__own_job": "true", "cluster__finish__cpus_per_task": 1}


@pytest.fixture
def site(slurm, tiny, tmp_path) -> Site:
    return Site(slurm, tiny, tmp_path / "runs")


def test_the_cards_are_free_while_one_merges(site):
    """Two jobs: the first on two nodes trains, the second, of one task, starts after it and finishes."""
    run = site.submit(2, 1, cluster__finish__gres="dcu:1", **OWN_JOB)
    first, then = job(run), record.read(run)["launch"]["then"]
    assert (run.path / "submit_finish.sh").read_text().count(f"afterok:{first}") == 1
    assert then in site.ftcore("status", run.id, "--runs-dir", site.runs).out
    entry = site.ended(run)
    assert entry["state"] == "completed", entry["error"]
    assert [(a["state"], a["job_id"], len(a["nodes"])) for a in entry["attempts"]] == [
        ("completed", first, 2),
        ("completed", then, 1),
    ]
    assert [stage["name"] for stage in entry["stages"]] == ["prepare", "train", "export", "merge"]
    assert run.merged.is_dir()
    site.cluster.wait_state(first, "COMPLETED")
    site.cluster.wait_state(then, "COMPLETED")
    (told,) = site.cluster.sacct(then, ["AllocTRES"])
    assert "gres/dcu=1" in told["AllocTRES"] and "node=1" in told["AllocTRES"]


def test_wait_follows_both(site):
    """`--wait` ends with the second job."""
    keys = {key.replace("__", "."): value for key, value in OWN_JOB.items()}
    answer = site.ftcore(
        *site.words(1, 1), *(f"{key}={value}" for key, value in keys.items()), "--wait", "--json"
    )
    assert answer.code == 0, answer.err
    assert answer.json["state"] == "completed" and len(answer.json["attempts"]) == 2


def test_training_that_fails_leaves_nothing_queued(site):
    """The second job goes with the first; the error is the training's."""
    broken = site.runs / "broken.jsonl"
    site.runs.mkdir()
    broken.write_text('{"messages": [{"role": "user"}]}\n')
    run = site.submit(1, 1, data__path=broken, **OWN_JOB)
    then = record.read(run)["launch"]["then"]
    entry = site.ended(run)
    assert entry["state"] == "failed" and entry["error"]["stage"] == "prepare"
    site.cluster.wait_gone(then)
    assert len(entry["attempts"]) == 1


def test_requeued_training_keeps_its_follower(site):
    """`scontrol requeue` in the middle: the second job waits for the job's second life."""
    run = site.submit(2, 1, max_steps=200, checkpoint__every=20, **OWN_JOB)
    site.at_step(run, 30)
    site.cluster.requeue(job(run))
    entry = site.ended(run)
    assert [a["state"] for a in entry["attempts"]] == ["preempted", "completed", "completed"], entry
    assert entry["state"] == "completed"
    assert [step for step, _ in losses(run)] == list(range(1, 201))


def test_cancelled_training_takes_its_follower_along(site):
    """`cancel` while training: both jobs go, and resume queues both anew."""
    run = site.submit(1, 1, max_steps=300, checkpoint__every=50, **OWN_JOB)
    site.at_step(run, 20)
    assert site.ftcore("cancel", run.id, "--runs-dir", site.runs).code == 0
    wait_for(lambda: record.read(run)["state"] == "cancelled", 60)
    wait_for(lambda: not site.cluster.squeue(), 60)
    resumed = site.ftcore("resume", run.id, "--runs-dir", site.runs, "--wait")
    assert resumed.code == 0, resumed.err
    states = [attempt["state"] for attempt in record.read(run)["attempts"]]
    assert states == ["cancelled", "completed", "completed"]


def test_the_rest_alone_is_resumed(site):
    """The second job taken out of the queue: the run says so, and resume makes that job alone."""
    run = site.submit(1, 1, cluster__finish__time="10:00", cluster__sbatch="['--nice=0']", **OWN_JOB)
    then = record.read(run)["launch"]["then"]
    site.cluster.run("scontrol", "hold", then)
    wait_for(lambda: job(run) == then)
    assert site.ftcore("cancel", run.id, "--runs-dir", site.runs).code == 0
    told = site.ftcore("status", run.id, "--runs-dir", site.runs, "--json").json
    assert told["run"]["state"] == "cancelled"
    resumed = site.ftcore("resume", run.id, "--runs-dir", site.runs)
    assert resumed.code == 0 and "merge, evaluate" not in resumed.out, resumed.err
    entry = site.ended(run)
    # One job more, which waits for none.
    assert entry["state"] == "completed" and int(entry["launch"]["job_id"]) == int(then) + 1
    assert "dependency" not in (run.path / "submit_finish.sh").read_text()
    assert [len(a["nodes"]) for a in entry["attempts"]] == [1, 1]


def test_wrong_size_of_the_rest(site):
    """Refused under its own key, with nothing queued."""
    answer = site.ftcore(
        *site.words(1, 1), "cluster.finish.own_job=true", "cluster.finish.gres=dcu:9",
    )  # fmt: skip
    assert answer.code == 2 and "cluster.finish:" in answer.err and "dcu:4" in answer.err, answer.err
    answer = site.ftcore(*site.words(1, 1), "cluster.finish.own_job=true", "cluster.finish.time=90-00:00:00")
    assert answer.code == 2 and "cluster.finish.time" in answer.err, answer.err
    assert not site.cluster.squeue()
