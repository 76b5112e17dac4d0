"""Two processes over gloo: the numbers of one, and a failure of one rank told as such."""

import os
import shutil
import signal
import time

import psutil
import pytest
import torch
from safetensors.torch import load_file

from ftcore.runs import record
from ftcore.training.checkpoint_files import every
from tests.fixtures.tiny import again, again_from_older, begin, finish, steps, taken_back, wait_for

STEPS = 5
TWO = {"hardware__devices_per_node": 2, "parallelism": "ddp", "max_steps": STEPS, "checkpoint__every": 2}
NUMBERS = ("loss", "lr", "grad_norm", "tokens", "labelled_tokens")


@pytest.fixture(scope="module")
def two(run_of):
    return run_of(**TWO)


def processes_of_rank(run, rank: int) -> list[psutil.Process]:
    children = psutil.Process(int(record.read(run)["launch"]["job_id"])).children()
    return [child for child in children if child.environ().get("SUBMITIT_LOCAL_GLOBALID") == str(rank)]


def test_equals_one_process(two, run_of):
    """Two ranks see in one iteration what one process sees in two that it accumulates."""
    one = run_of(max_steps=STEPS, optim__gradient_accumulation=2)
    for ours, theirs in zip(two.sequence(*NUMBERS), one.sequence(*NUMBERS), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    for file in ("adapter/adapter_model.safetensors", "merged/model.safetensors"):
        ours, theirs = (load_file(done.run.path / file) for done in (two, one))
        assert ours.keys() == theirs.keys()
        for name, weight in theirs.items():
            torch.testing.assert_close(ours[name], weight, rtol=0, atol=1e-4, msg=name)


def test_every_ranks_peak_is_recorded(two):
    """Beside the largest of them, which the steps' lines have."""
    results = record.read(two.run)["results"]
    peaks = results["peak_memory_gib_by_rank"]
    assert len(peaks) == 2 and min(peaks) > 0 and max(peaks) >= results["peak_memory_gib"]


def test_checkpoint_holds_what_was_trained_alone(two, run_of):
    """Frozen weights stay out of checkpoints: as many bytes as one process saves, to a few."""
    one = run_of(max_steps=STEPS, optim__gradient_accumulation=2)
    sizes = [(every(done.run.checkpoints)[-1] / "state.pth").stat().st_size for done in (two, one)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


def test_resumes_exactly(two, tmp_path):
    """From an older checkpoint, both ranks go on with the undisturbed run's numbers."""
    resumed = again_from_older(two.run, tmp_path)
    assert resumed.code == 0, resumed.err
    assert resumed.sequence(*NUMBERS) == two.sequence(*NUMBERS)
    assert resumed.sequence("time")[-1] != two.sequence("time")[-1]


def test_killed_rank_ends_the_job_and_is_named(tiny, tmp_path):
    """Within seconds the run has failed, and the record blames the rank that died, on its node."""
    process, run = begin(tiny, tmp_path, **{**TWO, "max_steps": 5000})
    wait_for(lambda: steps(run) >= 1, process)
    (victim,) = processes_of_rank(run, 1)
    victim.kill()
    killed = time.monotonic()
    ended = finish(process, run)
    assert time.monotonic() - killed < 15
    assert ended.code == 1 and ended.record["state"] == "failed"
    error = ended.record["error"]
    assert (error["rank"], error["stage"], error["node"]) == (1, "train", os.uname().nodename)
    assert signal.SIGKILL.name in error["message"] and "rank 1" in ended.err
    assert error["message"] == ended.record["attempts"][-1]["reason"]


def test_error_of_one_rank_is_the_one_shown(two, tmp_path):
    """Rank 1 alone cannot read its random state; rank 0 only loses the connection."""
    run = taken_back(two.run, tmp_path)
    shutil.rmtree(every(run.checkpoints)[-1])
    file = every(run.checkpoints)[-1] / "rank1.pth"
    file.write_bytes(b"\0" * file.stat().st_size)
    failed = again(run)
    assert failed.code == 1 and failed.record["state"] == "failed"
    error = failed.record["error"]
    assert error["rank"] == 1 and error["stage"] == "train"
    assert "restore_random" in error["traceback"]
    assert f"{error['type']}: " in failed.err and "rank 1" in failed.err


def test_stop_reaches_every_rank(tiny, tmp_path):
    """Ctrl-C: both ranks stop after the same step and leave one whole checkpoint."""
    process, run = begin(tiny, tmp_path, **{**TWO, "max_steps": 5000})
    wait_for(lambda: steps(run) >= 2, process)
    os.kill(process.pid, signal.SIGINT)
    stopped = finish(process, run)
    assert stopped.code == 1 and stopped.record["state"] == "cancelled"
    last = every(run.checkpoints)[-1]
    assert last.name == f"step_{steps(run):08d}"
    assert {"rank0.pth", "rank1.pth"} <= {path.name for path in last.iterdir()}
