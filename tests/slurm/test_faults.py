"""What goes wrong on clusters, provoked: the losses afterwards are those of a run that nothing befell."""

import signal
import time

import pytest

from ftcore.runs import record
from tests.slurm.runs import LONG, job, losses, rank_processes, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def _disturbed(site):
    """A run of two ranks on two nodes, in the middle of its steps, after its first checkpoints."""
    run = site.submit(2, 1, **LONG)
    site.at_step(run, 50)
    return run


def test_requeue(site, whole):
    """`scontrol requeue`: a second attempt of the same job, from the checkpoint."""
    run = _disturbed(site)
    site.cluster.requeue(job(run))
    entry = site.ended(run)
    assert entry["state"] == "completed" and [a["state"] for a in entry["attempts"]] == [
        "preempted",
        "completed",
    ]
    assert losses(run) == whole


def test_signal_before_the_limit(site, whole):
    """USR2, as Slurm sends it before the time limit: saved, and back into the queue by itself."""
    run = _disturbed(site)
    site.cluster.signal(job(run), "USR2")
    entry = site.ended(run)
    assert entry["state"] == "completed" and len(entry["attempts"]) == 2
    assert "USR2" in entry["attempts"][0]["reason"]
    assert losses(run) == whole


def test_requeue_while_merging(site):
    """A stage killed in the middle is done again by the next attempt; its half result is gone."""
    run = site.submit(2, 1, max_steps=4)
    site.at_step(run, 1)
    rank = rank_processes(run)[0]
    deadline = time.monotonic() + 60
    while not list(run.path.glob(".merged.*.tmp")):
        assert time.monotonic() < deadline
    rank.suspend()
    assert not run.merged.exists()
    site.cluster.requeue(job(run))
    rank.kill()  # else it would have the time to finish
    entry = site.ended(run)
    assert entry["state"] == "completed" and len(entry["attempts"]) == 2
    assert entry["attempts"][0]["state"] == "preempted" and run.merged.is_dir()
    assert not list(run.path.glob(".merged.*.tmp"))


def test_rank_killed(site, whole):
    """The job ends at once and says which rank; the other rank's error is not the cause; resume goes on."""
    run = _disturbed(site)
    ranks = rank_processes(run)
    assert len(ranks) == 2
    ranks[1].send_signal(signal.SIGKILL)
    entry = site.ended(run, 90)
    error = entry["error"]
    assert entry["state"] == "failed" and error["rank"] == 1 and "SIGKILL" in error["message"]
    assert entry["error"]["node"] == "node02"
    assert site.cluster.wait_state(job(run), ["FAILED", "CANCELLED", "NODE_FAIL"]) == "FAILED"
    resumed = site.ftcore("resume", run.id, "--runs-dir", site.runs, "--wait")
    assert resumed.code == 0, resumed.err
    assert losses(run) == whole


def test_node_lost(site, whole):
    """A node's daemon and what it ran are gone: Slurm queues the job again, and it goes on."""
    run = _disturbed(site)
    site.cluster.fail_node("node02", tell=True)
    entry = site.ended(run)
    assert entry["state"] == "completed" and len(entry["attempts"]) >= 2
    assert "node02" not in entry["attempts"][-1]["nodes"]
    assert losses(run) == whole


def test_first_traceback_is_told(site):
    """A rank that raises: traceback, rank and node are in the record and on `status`, and the job failed."""
    broken = site.runs / "broken.jsonl"
    broken.write_text('{"messages": [{"role": "user"}]}\n')
    run = site.submit(2, 1, max_steps=4, data__path=broken)
    entry = site.ended(run)
    assert entry["state"] == "failed" and entry["error"]["rank"] == 0 and entry["error"]["node"] == "node01"
    told = site.ftcore("status", run.id, "--runs-dir", site.runs)
    assert "Traceback" in told.out and entry["error"]["message"] in told.out
    assert site.cluster.wait_state(job(run), ["FAILED"]) == "FAILED"


def test_torn_newest_checkpoint(site, whole):
    """Requeued with its newest checkpoint torn, a run goes on from the one before, with a warning."""
    run = _disturbed(site)
    site.ftcore("cancel", run.id, "--runs-dir", site.runs)
    site.ended(run)
    newest = sorted(run.checkpoints.glob("step_*"))[-1]
    (newest / "state.pth").write_bytes(b"torn")
    resumed = site.ftcore("resume", run.id, "--runs-dir", site.runs, "--wait")
    assert resumed.code == 0, resumed.err
    warnings = record.read(run)["attempts"][-1]["warnings"]
    assert any(newest.name in warning for warning in warnings)
    assert losses(run) == whole


def test_attempts_are_bounded(site):
    """A job that is put back again and again ends, and says why."""
    run = site.submit(2, 1, cluster__attempts=2, **LONG)
    for number in (1, 2):
        wait_for(lambda number=number: len(record.read(run)["attempts"]) == number)
        wait_for(lambda: record.read(run)["state"] == "running")
        site.cluster.requeue(job(run))
        wait_for(lambda: record.read(run)["state"] != "running")
    site.cluster.wait_gone(job(run), 90)
    entry = record.read(run)
    assert entry["state"] == "preempted" and "cluster.attempts=2" in entry["attempts"][-1]["reason"]


def test_scancel_is_final(site):
    """A job cancelled with Slurm's own command does not put itself back into the queue."""
    run = _disturbed(site)
    site.cluster.run("scancel", job(run))
    entry = site.ended(run)
    assert entry["state"] == "cancelled" and len(entry["attempts"]) == 1
    site.cluster.wait_gone(job(run))
