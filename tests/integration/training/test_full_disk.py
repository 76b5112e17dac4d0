"""The run directory's disk is full while a run trains: told, nothing there is lost, and it goes on."""

import os
import subprocess
from pathlib import Path

import pytest

from ftcore.runs import record
from ftcore.training.checkpoint_files import Checkpoint, every, examine
from tests.fixtures.tiny import begin, finish, ftcore, resume, train, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system, which needs root"),
]

KEYS = {"max_steps": 200, "checkpoint__every": 20}
NOTHING, TOO_LITTLE = 0, 64 * 1024
"""Room left: not a line more can be written, or lines but no checkpoint; bytes."""


@pytest.fixture
def disk(tmp_path):
    """A folder that is a small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    return train(tiny, tmp_path_factory.mktemp("whole"), **KEYS).sequence("loss")


def fill(disk: Path, left: int) -> Path:
    """A file that takes all room but `left` bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - left))
    return filler


@pytest.mark.parametrize("left", [NOTHING, TOO_LITTLE])
def test_full_disk(tiny, disk, whole, left):
    """The message names the disk, the rank, what is kept and what goes on; `status` agrees; then it does."""
    process, run = begin(tiny, disk, **KEYS)
    wait_for(lambda: len(every(run.checkpoints)) >= 2, process)
    kept = {path.name for path in every(run.checkpoints)}
    filler = fill(disk, left)
    ended = finish(process, run)
    assert ended.code == 1
    for said in ("No space left on device", str(run.path), "stage train, rank 0", "kept:", "goes on with:"):
        assert said in ended.err, ended.err
    assert "Traceback" not in ended.err
    assert {path.name for path in every(run.checkpoints)} >= kept
    assert all(isinstance(examine(path), Checkpoint) for path in every(run.checkpoints))
    assert not list(run.path.rglob(".*.tmp"))

    told = finish(ftcore("status", str(run.path)), run)
    assert told.code == 0 and "failed" in told.out and "No space left on device" in told.out
    assert f"python -m ftcore resume {run.path}" in told.out
    if left == NOTHING:
        again = resume(run)
        assert again.code == 1 and "No space left on device" in again.err and "Traceback" not in again.err
    else:
        assert record.read(run)["state"] == "failed"

    filler.unlink()
    done = resume(run)
    assert done.code == 0, done.err
    assert done.sequence("loss") == whole
