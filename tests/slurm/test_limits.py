"""The time limit, really reached: by runs that save in time, and by runs that do not."""

import signal
import time

import pytest

from ftcore.runs import record
from tests.slurm.runs import LONG, SLOW, job, losses, rank_processes

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

MINUTE = {"cluster__time": "'1:00'", "cluster__signal_seconds": 10}
DEAF = {"cluster__prefix": "[env, '--block-signal=USR2', '--block-signal=TERM']"}
"""Ranks that hear of no limit."""


def test_minute_by_minute(site, whole_slow):
    """A run longer than its job may be: told, saved and queued again each time, with the same losses."""
    run = site.submit(2, 1, cluster__partition="short", **SLOW | MINUTE)
    entry = site.ended(run, 400)
    *told, last = entry["attempts"]
    assert entry["state"] == "completed" and last["state"] == "completed" and told
    assert {attempt["state"] for attempt in told} == {"preempted"}
    assert {attempt["job_id"] for attempt in entry["attempts"]} == {job(run)}
    assert losses(run) == whole_slow


def test_saved_between_the_limit_and_the_end(site, whole_slow):
    """Without any warning: SIGTERM at the limit leaves KillWait seconds: saved, and it goes on."""
    run = site.submit(2, 1, cluster__sbatch="['--signal=CONT@10']", **SLOW | MINUTE)
    entry = site.ended(run, 400)
    assert entry["state"] == "completed" and "SIGTERM" in entry["attempts"][0]["reason"]
    assert losses(run) == whole_slow


def test_limit_that_nobody_heard_of(site, whole):
    """Ranks that do not end in time are ended by Slurm: `status` names the limit and what goes on."""
    run = site.submit(2, 1, **LONG | MINUTE | DEAF)
    site.at_step(run, 50)
    while site.cluster.squeue("-j", job(run)):
        for rank in rank_processes(run):
            rank.send_signal(signal.SIGSTOP)  # again and again: Slurm wakes what it is about to end
        time.sleep(0.05)
    assert site.cluster.wait_state(job(run), "TIMEOUT") == "TIMEOUT"
    told = site.ftcore("status", run.id, "--runs-dir", site.runs)
    said = " ".join(told.out.split())
    assert "preempted" in said and f"goes on with: python -m ftcore resume {run.path}" in said
    entry = record.read(run)
    assert entry["state"] == "preempted" and "cluster.time" in entry["attempts"][0]["reason"]
    assert entry["error"] is None and len(losses(run)) < 400
    resumed = site.ftcore("resume", run.id, "--runs-dir", site.runs, "--wait")
    assert resumed.code == 0, resumed.err
    assert losses(run) == whole
