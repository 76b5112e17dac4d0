"""`plan --fit` and `plan --compare`: the last that fits, beside the first that does not."""

import json

import pytest

from ftcore.cli.main import main
from ftcore.config.compose import compose
from ftcore.plan.fit import fit
from ftcore.plan.memory import memory
from ftcore.plan.needs import shape

LLAMA = ["model=llama3_8b_instruct", "data=agent_flan", "hardware=cuda", "hardware.arch=sm_90"]
CARD = ["hardware.card=H100", "hardware.memory_gib=40", "hardware.devices_per_node=1"]


def found(turned: str, *words: str):
    e = compose([*LLAMA, *CARD, *words]).experiment
    a = shape(e.model.path)[0]
    return fit(e, a, turned), e, a


@pytest.mark.parametrize("kernels", ["stock", "fast"])
def test_the_longest_that_fits_and_the_next(kernels):
    best, e, a = found("max_length", f"kernels={kernels}", "model.context_length=null")
    beyond = e.model_copy(update={"max_length": best.beyond[0]})
    fitting = e.model_copy(update={"max_length": best.value})
    assert best.beyond[0] == best.value + 64
    assert memory(fitting, a).fits(40) and not memory(beyond, a).fits(40)
    assert best.peak == memory(fitting, a).peak.total < best.beyond[1]


def test_a_length_ends_at_what_the_model_was_made_for():
    best, *_ = found("max_length", "hardware.memory_gib=80", "kernels=fast")
    assert (best.value, best.beyond, best.bound) == (8192, None, "model.context_length=8192")


def test_lengths_are_divisible_by_the_ranks_that_share_them():
    words = ["hardware.devices_per_node=4", "parallelism=ddp", "parallelism.sequence_parallel=4"]
    best, *_ = found("max_length", "kernels=fast", "model.context_length=null", *words)
    assert best.value % 256 == 0


def test_the_largest_batch():
    best, *_ = found("micro_batch_size", "kernels=fast")
    assert best.key == "data.micro_batch_size" and best.beyond[0] == best.value + 1


def test_the_fewest_nodes_of_a_full_training():
    """fp32 states of 8B parameters do not fit on one card; sharded among enough of them they do."""
    best, *_ = found("nodes", "lora=full", "parallelism=zero3", "kernels=stock", "max_length=2048")
    assert best.value > 1 and best.beyond[0] == best.value - 1 and best.peak < best.beyond[1]


def test_nodes_that_share_nothing_do_not_help():
    best, *_ = found("nodes", "hardware.memory_gib=12", "parallelism=ddp", "kernels=stock")
    assert best.value is None and "share nothing" in best.bound


def test_nothing_fits(capsys):
    words = ["hardware.memory_gib=12", "kernels=stock", "parallelism=single"]
    assert main(["plan", *LLAMA, *CARD, *words, "--fit", "max_length"]) == 1
    assert "no max_length fits" in capsys.readouterr().out


def test_as_json(capsys):
    assert main(["plan", *LLAMA, *CARD, "kernels=fast", "--fit", "micro_batch_size", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["key"] == "data.micro_batch_size" and told["value"] >= 1 and told["card_gib"] == 40


@pytest.mark.parametrize(("words", "says"), [
    (["hardware=cpu", "--fit", "nodes"], "hardware"),
    (["--fit", "lr"], "--fit: lr is not allowed; allowed: max_length, micro_batch_size, nodes"),
    (["--fit", "nods"], "did you mean nodes?"),
    (["--fit"], "--fit: needs a value"),
    (["--compare", *LLAMA], "--compare: there is no choice to compare"),
    (["--compare", *LLAMA, "lr=interval(1e-5,1e-4)"], "lr: an interval has no end of values"),
    (["kernels.recompute_layers=-1"], "-1 is not allowed; allowed: auto, a number, 0 or more"),
    ([*LLAMA, "model.path=nobody/nothing", "--fit", "nodes"], "model.path"),
])  # fmt: skip
def test_what_cannot_be_answered(words, says, capsys):
    assert main(["plan", *words]) == 2
    said = capsys.readouterr()
    assert says in said.err and "Traceback" not in said.err and not said.out


def test_side_by_side(capsys):
    assert main(["plan", "--compare", *LLAMA, *CARD, "kernels=stock,fast", "rank=16,64", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["point"] for row in rows] == [
        [f"kernels={kernels}", f"rank={rank}"] for kernels in ("stock", "fast") for rank in (16, 64)
    ]
    assert rows[0]["peak"] < rows[1]["peak"] and all(row["fits"] for row in rows)
    assert sum(rows[0]["parts"].values()) == rows[0]["peak"]


def test_side_by_side_for_people(capsys):
    assert main(["plan", "--compare", *LLAMA, *CARD, "kernels=stock,fast"]) == 0
    told = capsys.readouterr().out
    assert "kernels=fast" in told and "in all" in told and "samples a step" in told
