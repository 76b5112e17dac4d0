"""The run directory's disk is full while a queued run saves: no checkpoint is lost, and it goes on."""

import pytest

from ftcore.runs import record
from ftcore.training.checkpoint_files import Checkpoint, every, examine
from tests.integration.training.test_full_disk import TOO_LITTLE, disk, fill
from tests.slurm.runs import LONG, Site, job, losses, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

__all__ = ["disk"]  # a fixture


def test_full_disk(slurm, tiny, disk, tmp_path):
    """The job fails and says which disk; what was saved before is whole; resume makes the same losses."""
    keys = {name.replace(".", "__"): value for name, value in LONG.items()}
    undisturbed = Site(slurm, tiny, tmp_path / "runs")
    site = Site(slurm, tiny, disk)
    run = site.submit(2, 1, **keys)
    wait_for(lambda: len(every(run.checkpoints)) >= 2)
    kept = {path.name for path in every(run.checkpoints)}
    filler = fill(disk, TOO_LITTLE)
    wait_for(lambda: not slurm.squeue("-j", job(run)), 180)
    assert slurm.state(job(run)) == "FAILED"
    told = site.ftcore("status", run.id, "--runs-dir", site.runs)
    assert "failed" in told.out and "No space left on device" in told.out, told.out
    assert {path.name for path in every(run.checkpoints)} >= kept
    assert all(isinstance(examine(path), Checkpoint) for path in every(run.checkpoints))
    filler.unlink()
    resumed = site.ftcore("resume", run.id, "--runs-dir", site.runs, "--wait")
    assert resumed.code == 0, resumed.err
    assert record.read(run)["state"] == "completed"
    whole = undisturbed.submit(2, 1, **keys)
    assert undisturbed.ended(whole)["state"] == "completed"
    assert losses(run) == losses(whole)
