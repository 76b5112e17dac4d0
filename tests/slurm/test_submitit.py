"""What submitit does on a real Slurm, as far as the launcher rests on it."""

import time
from pathlib import Path

import pytest
import submitit

from tests.slurm.callables import Counts, where
from tests.slurm.cluster import Cluster

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


@pytest.fixture
def executor(slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> submitit.AutoExecutor:
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    executor = submitit.AutoExecutor(folder=tmp_path, cluster="slurm")
    executor.update_parameters(
        nodes=2, tasks_per_node=4, timeout_min=30, slurm_gres="dcu:4", cpus_per_task=2,
        slurm_srun_args=["--cpus-per-task=2"], slurm_setup=[f"export PYTHONPATH={Path(__file__).parents[2]}"],
        slurm_additional_parameters={"requeue": True},
    )  # fmt: skip
    return executor


def test_ranks_find_the_first_node(executor: submitit.AutoExecutor):
    """Eight ranks on two hosts, all with the same first node."""
    expected = [(rank, "node01" if rank < 4 else "node02", "127.0.1.1") for rank in range(8)]
    assert executor.submit(where).results() == expected


def test_usr2_comes_back_with_what_was_saved(executor: submitit.AutoExecutor, slurm: Cluster):
    """Rank 0 saves and requeues; every rank of the second life reads that."""
    job = executor.submit(Counts(), 300)
    slurm.wait_state(job.job_id, "RUNNING")
    time.sleep(3)
    slurm.signal(job.job_id, "USR2")
    assert job.results() == [(1, "1")] * 8


def test_scontrol_requeue_comes_back_with_nothing_saved(executor: submitit.AutoExecutor, slurm: Cluster):
    """A trap: SIGTERM is ignored and the first pickle runs again."""
    # Longer than KillWait: a rank that ends within it leaves a result that is taken for the job's.
    job = executor.submit(Counts(), 12)
    slurm.wait_state(job.job_id, "RUNNING")
    time.sleep(2)
    slurm.requeue(job.job_id)
    assert job.results() == [(0, "1")] * 8
