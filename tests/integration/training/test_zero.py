"""DeepSpeed ZeRO-3 over gloo on two CPU processes."""

import pytest
import torch
from safetensors.torch import load_file

from tests.fixtures.tiny import again_from_older

STEPS = 5
TWO = {"hardware__devices_per_node": 2, "max_steps": STEPS, "checkpoint__every": 2}
NUMBERS = ("loss", "lr", "grad_norm", "tokens")
CHECKPOINTING = {"model__activation_checkpointing": True}


@pytest.fixture(scope="module")
def ddp(run_of):
    return run_of(**TWO, parallelism="ddp")


@pytest.fixture(scope="module")
def zero(run_of):
    return run_of(**TWO, parallelism="zero3", **CHECKPOINTING)


def adapter(done) -> dict[str, torch.Tensor]:
    return load_file(done.run.adapter / "adapter_model.safetensors")


def assert_same_training(done, ddp, tolerance: float) -> None:
    for ours, theirs in zip(done.sequence(*NUMBERS), ddp.sequence(*NUMBERS), strict=True):
        assert ours == pytest.approx(theirs, rel=tolerance)
    ours, theirs = adapter(done), adapter(ddp)
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name].float(), weight, rtol=0, atol=tolerance, msg=name)


def test_zero3_equals_ddp(zero, ddp):
    """In fp32, with activation checkpointing: every step's numbers and the exported adapter."""
    assert_same_training(zero, ddp, 1e-4)


def test_zero3_merges_into_a_whole_model(zero, ddp):
    """The merge that follows in the same process sees whole weights, not shards."""
    ours, theirs = (load_file(done.run.merged / "model.safetensors") for done in (zero, ddp))
    assert {name: weight.shape for name, weight in ours.items()} == {
        name: weight.shape for name, weight in theirs.items()}  # fmt: skip
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=0, atol=1e-3, msg=name)


@pytest.mark.slow
def test_zero3_resumes(zero, tmp_path):
    """From an older checkpoint, the same numbers."""
    resumed = again_from_older(zero.run, tmp_path)
    assert resumed.code == 0, resumed.err
    assert resumed.sequence(*NUMBERS) == zero.sequence(*NUMBERS)
    assert resumed.sequence("time")[-1] != zero.sequence("time")[-1]


@pytest.mark.slow
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("choice", ["zero3", "zero3_offload"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("bf16", 5e-2)])
def test_every_kind_of_zero3(choice, precision, tolerance, checkpointing, run_of, ddp, tmp_path):
    """Trains like ddp, resumes with the same numbers, exports and merges."""
    done = run_of(
        **TWO, parallelism=choice, precision=precision, model__activation_checkpointing=checkpointing
    )
    assert_same_training(done, ddp, tolerance)
    resumed = again_from_older(done.run, tmp_path)
    assert resumed.code == 0, resumed.err
    assert resumed.sequence(*NUMBERS) == done.sequence(*NUMBERS)


@pytest.mark.slow
def test_full_fine_tuning_under_zero3(run_of, tiny):
    """merged/ is whole, differs from the base and equals what ddp comes to."""
    runs = {kind: run_of(**TWO, parallelism=kind, lora="full", lr=0.001) for kind in ("ddp", "zero3")}
    ours, theirs = (load_file(runs[kind].run.merged / "model.safetensors") for kind in ("zero3", "ddp"))
    base = load_file(tiny.model / "model.safetensors")
    assert ours.keys() == theirs.keys() == base.keys()
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=0, atol=1e-4, msg=name)
        assert not torch.equal(ours[name], base[name])
