"""A run that was stopped, killed or damaged gives the numbers of one that was left alone, to the last bit."""

import os
import signal
from pathlib import Path

import pytest

from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.training.checkpoint_files import every, newest
from tests.fixtures.tiny import again, begin, finish, kill_job, resume, steps, taken_back, wait_for

STEPS = 14
EXPERIMENT = {
    "max_steps": STEPS, "lora__dropout": 0.2, "optim__gradient_accumulation": 3, "checkpoint__every": 4,
    "data__packing": True, "max_length": 96,
}  # fmt: skip
"""Random numbers matter, steps are of several iterations, and checkpoints fall due inside a step."""

NUMBERS = ("loss", "lr", "grad_norm", "tokens", "labelled_tokens")


@pytest.fixture(scope="module")
def undisturbed(run_of):
    return run_of(**EXPERIMENT)


def tear(checkpoint: Path) -> None:
    file = checkpoint / "state.pth"
    file.write_bytes(file.read_bytes()[:-1000])


def test_accumulation_waits_for_whole_steps(undisturbed):
    """Checkpoints lie at the ends of the steps in which they fell due, and only the newest are kept."""
    assert [path.name for path in every(undisturbed.run.checkpoints)] == [
        "step_00000011", "step_00000012", "step_00000014"]  # fmt: skip


@pytest.mark.slow
def test_killed_again_and_again(undisturbed, tiny, tmp_path):
    """SIGKILL in a step, in a save and between stages: the sequences are those of the undisturbed run."""
    process, run = begin(tiny, tmp_path, **EXPERIMENT)
    wait_for(lambda: steps(run) >= 3, process)
    kill_job(run)
    first = finish(process, run)
    assert first.code == 1 and first.record["state"] == "failed"
    assert first.record["error"]["type"] == "ProcessDied"
    assert f"resume {run.id}" in first.err

    second, run = begin(tiny, tmp_path, again=run)
    before = newest(run.checkpoints)[0].step
    wait_for(lambda: list(run.checkpoints.glob(".step_*.tmp")) and steps(run) > before, second)
    kill_job(run)
    assert finish(second, run).code == 1

    third, run = begin(tiny, tmp_path, again=run)
    wait_for(run.trained.exists, third)
    kill_job(run)
    assert finish(third, run).code == 1
    assert not run.merged.exists()

    last = resume(run)
    assert last.code == 0, last.err
    assert last.sequence(*NUMBERS) == undisturbed.sequence(*NUMBERS)
    assert [attempt["state"] for attempt in last.record["attempts"]] == ["failed"] * 3 + ["completed"]
    assert not list(run.checkpoints.glob(".*"))
    assert last.record["artifacts"][0]["sha256"] and same_adapter(last.run, undisturbed.run)


def same_adapter(one: RunDirectory, other: RunDirectory) -> bool:
    name = "adapter_model.safetensors"
    return (one.adapter / name).read_bytes() == (other.adapter / name).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_stopped_by_the_user(number, undisturbed, tiny, tmp_path):
    """Ends within the step with a checkpoint, says how to go on, exits 1; resume goes on exactly."""
    process, run = begin(tiny, tmp_path, **EXPERIMENT)
    wait_for(lambda: steps(run) >= 2, process)
    os.kill(process.pid, number)
    seen = steps(run)
    stopped = finish(process, run)
    assert stopped.code == 1
    assert stopped.record["state"] == "cancelled" and stopped.record["error"] is None
    assert steps(run) < STEPS and steps(run) <= seen + 4
    assert newest(run.checkpoints)[0].step == steps(run)
    assert f"python -m ftcore resume {run.id}" in stopped.err and "Traceback" not in stopped.err
    resumed = resume(run)
    assert resumed.code == 0, resumed.err
    assert resumed.sequence(*NUMBERS) == undisturbed.sequence(*NUMBERS)
    assert same_adapter(run, undisturbed.run)


@pytest.mark.parametrize("damage", ["truncated", pytest.param("no manifest", marks=pytest.mark.slow)])
def test_torn_checkpoint_is_passed_over(damage, undisturbed, tmp_path):
    """The next older whole one is used, with a warning on the screen and in the record."""
    run = taken_back(undisturbed.run, tmp_path)
    last = every(run.checkpoints)[-1]
    if damage == "truncated":
        tear(last)
    else:
        (last / "manifest.json").unlink()
    resumed = again(run)
    assert resumed.code == 0, resumed.err
    assert f"warning: checkpoint {last.name} is torn" in resumed.out
    assert last.name in resumed.record["attempts"][-1]["warnings"][0]
    assert resumed.sequence(*NUMBERS) == undisturbed.sequence(*NUMBERS)
    unchanged, older = undisturbed.sequence("time"), resumed.sequence("time")
    assert older[:12] == unchanged[:12] and older[12:] != unchanged[12:]


def test_all_checkpoints_torn(undisturbed, tmp_path):
    """Training starts anew and comes to the same end."""
    run = taken_back(undisturbed.run, tmp_path)
    for checkpoint in every(run.checkpoints):
        tear(checkpoint)
    resumed = again(run)
    assert resumed.code == 0, resumed.err
    assert len(resumed.record["attempts"][-1]["warnings"]) == 3
    assert resumed.sequence(*NUMBERS) == undisturbed.sequence(*NUMBERS)
    assert resumed.sequence("time")[0] != undisturbed.sequence("time")[0]
    assert same_adapter(run, undisturbed.run)


def test_whole_job_killed_from_outside_is_reconciled(tiny, tmp_path):
    """With the command gone too, the record still says running; resume closes that attempt and goes on."""
    process, run = begin(tiny, tmp_path, max_steps=5000, checkpoint__every=1)
    wait_for(lambda: steps(run) >= 1, process)
    refused = resume(run)
    assert refused.code == 2 and "still running" in refused.err
    process.kill()
    kill_job(run)
    process.communicate()
    assert record.read(run)["state"] == "running"
    stopped, run = begin(tiny, tmp_path, again=run)
    first = record.read(run)["attempts"][0]
    assert first["state"] == "failed" and "without a word" in first["reason"]
    os.kill(stopped.pid, signal.SIGINT)
    assert finish(stopped, run).record["state"] == "cancelled"
