"""A whole run by ftcore's own parts of a training step, beside one by transformers'."""

import pytest
from safetensors.torch import load_file

from tests.fixtures.tiny import again_from_older

SHAPE = {
    "max_steps": 6, "optim__gradient_accumulation": 2, "data__micro_batch_size": 2, "max_length": 96,
    "optim__max_grad_norm": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def stock(run_of):
    return run_of(kernels="stock", **SHAPE)


@pytest.fixture(scope="module")
def fast(run_of):
    return run_of(kernels="fast", **SHAPE)


def test_every_loss_and_norm_is_that_of_the_stock_step(stock, fast):
    """fp32 on a CPU: the same numbers but for the order of sums."""
    ours, theirs = fast.sequence("loss", "grad_norm"), stock.sequence("loss", "grad_norm")
    assert len(ours) == len(theirs) == SHAPE["max_steps"]
    for got, wanted in zip(ours, theirs, strict=True):
        assert got == pytest.approx(wanted, rel=2e-5)


def test_the_adapter_has_the_stock_form_and_the_same_weights(stock, fast):
    ours, theirs = (load_file(one.run.adapter / "adapter_model.safetensors") for one in (fast, stock))
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        assert ours[name].dtype == weight.dtype and ours[name].shape == weight.shape
        assert (ours[name] - weight).abs().max() < 1e-3, name


def test_the_record_says_what_was_used(stock, fast):
    used = {one: one.record["results"]["kernels"] for one in (fast, stock)}
    assert used[fast]["layers"] == used[fast]["loss"] == "fused" and used[fast]["attention"] == "rows"
    assert used[fast]["recompute_layers"] == 0
    assert used[stock] == {
        "layers": "stock", "loss": "stock", "attention": "stock", "frozen_weights": "native",
        "optimizer": "stock", "recompute_layers": None,
    }  # fmt: skip


def test_a_number_of_layers_computed_again_changes_nothing(fast, run_of):
    again = run_of(kernels="fast", kernels__recompute_layers=1, **SHAPE)
    assert again.sequence("loss", "grad_norm") == fast.sequence("loss", "grad_norm")
    assert again.record["results"]["kernels"]["recompute_layers"] == 1


@pytest.mark.slow
def test_resumed_from_an_older_checkpoint(run_of, tmp_path):
    """Exactly the undisturbed run's numbers, dropout's seeds included."""
    whole = run_of(kernels="fast", checkpoint__every=4, **SHAPE | {"lora__dropout": 0.2})
    resumed = again_from_older(whole.run, tmp_path)
    assert resumed.code == 0, resumed.err
    assert resumed.sequence("loss", "grad_norm") == whole.sequence("loss", "grad_norm")
    assert resumed.sequence("time")[-1] != whole.sequence("time")[-1]


@pytest.mark.slow
def test_dropout_repeats_itself_when_computed_again(run_of):
    shape = SHAPE | {"lora__dropout": 0.2, "checkpoint__every": 4}
    kept = run_of(kernels="fast", **shape)
    again = run_of(kernels="fast", kernels__recompute_layers=2, **shape)
    assert kept.sequence("loss", "grad_norm") == again.sequence("loss", "grad_norm")


@pytest.mark.slow
@pytest.mark.parametrize("layers", ["fused", "stock"])
def test_two_ranks_share_each_sequence(run_of, layers):
    """Two ranks of one sample at a time give the numbers of one process that sees as many samples a step."""
    shape = SHAPE | {"kernels": "fast", "kernels__layers": layers, "max_steps": 4}
    shape["kernels__recompute_layers"] = "null"
    one = run_of(**shape | {"optim__gradient_accumulation": 4})
    two = run_of(**shape, hardware__devices_per_node=2, parallelism="ddp", parallelism__sequence_parallel=2)
    for ours, theirs in zip(
        two.sequence("loss", "grad_norm", "tokens", "labelled_tokens"),
        one.sequence("loss", "grad_norm", "tokens", "labelled_tokens"), strict=True,
    ):  # fmt: skip
        assert ours == pytest.approx(theirs, rel=2e-5)
