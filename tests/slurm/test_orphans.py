"""A node's daemon dies and its ranks do not: Slurm starts the job elsewhere while they train on."""

import pytest

from ftcore.runs import record
from tests.slurm.runs import SLOW, job, losses, rank_processes, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

ALONE = SLOW | {"max_steps": 600, "checkpoint__every": 240, "optim__gradient_accumulation": 12}


def test_rank_without_peers(site):
    """One rank, which nobody's absence ends: it writes no more once the next attempt has begun, and ends."""
    undisturbed = site.submit(1, 1, cluster__nodelist="node06", **ALONE)
    run = site.submit(1, 1, cluster__exclude="node06", **ALONE)
    site.at_step(run, 30)
    (orphan,) = rank_processes(run)
    site.cluster.fail_daemon(record.read(run)["attempts"][0]["nodes"][0])
    assert orphan.is_running()
    wait_for(lambda: len(record.read(run)["attempts"]) == 2, 60)
    assert orphan.is_running()
    wait_for(lambda: not orphan.is_running(), 10)
    assert "Superseded" in (run.attempt(1) / "rank0.err").read_text()
    entry = site.ended(run)
    first, second = entry["attempts"]
    assert entry["state"] == second["state"] == "completed" and first["nodes"] != second["nodes"]
    assert first["state"] == "preempted" and first["nodes"][0] in first["reason"]
    assert site.ended(undisturbed)["state"] == "completed"
    assert losses(run) == losses(undisturbed)


@pytest.mark.parametrize("node", [0, 1])
def test_one_of_two(site, whole_slow, node):
    """The daemon of rank 0's node, which is also the job's first, or of the other one."""
    run = site.submit(2, 1, **SLOW)
    site.at_step(run, 30)
    name = record.read(run)["attempts"][0]["nodes"][node]
    site.cluster.fail_daemon(name)
    entry = site.ended(run)
    assert entry["state"] == "completed" and name not in entry["attempts"][-1]["nodes"]
    assert {attempt["state"] for attempt in entry["attempts"][:-1]} == {"preempted"}
    assert {attempt["job_id"] for attempt in entry["attempts"]} == {job(run)}
    assert losses(run) == whole_slow
    wait_for(lambda: not rank_processes(run), 30)
