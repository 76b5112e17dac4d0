"""Which parts a model gets: an order that it cannot take fails, what is left to ftcore does not."""

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from ftcore.config.compose import compose
from ftcore.config.errors import WorkError
from ftcore.training.fast import memory
from ftcore.training.fast.sequence import SequenceGroup
from ftcore.training.kernels import parts
from tests.fixtures.fast import SIZES, model, step

UNFIT = {
    "another family": ("gemma", {"head_dim": 8}, "gemma"),
    "another activation": ("llama", {"hidden_act": "gelu"}, "gelu"),
    "a window over its keys": ("mistral", {"sliding_window": 64}, "last 64 tokens"),
    "dropout in attention": ("llama", {"attention_dropout": 0.1}, "dropout"),
}


def experiment(*words: str):
    return compose(["hardware=cpu", "experiment=quickstart", *words]).experiment


def untrained(family: str, further: dict) -> nn.Module:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **SIZES | further))


@pytest.mark.parametrize("case", UNFIT)
def test_an_order_that_the_model_cannot_take(case):
    family, further, reason = UNFIT[case]
    llm = untrained(family, further)
    with pytest.raises(WorkError, match=f"kernels.layers=fused cannot be: .*{reason}"):
        parts(experiment("kernels=fast"), None, llm)


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_left_to_ftcore_is_stock_then(case):
    family, further, _ = UNFIT[case]
    words = ["kernels=stock", "kernels.layers=auto", "kernels.attention=auto"]
    assert not parts(experiment(*words), None, untrained(family, further)).layers


def test_a_window_as_long_as_every_row_is_none():
    llm = untrained("mistral", {"sliding_window": 640})
    assert parts(experiment("kernels=fast"), None, llm).layers


def test_ranks_that_do_not_divide_the_heads():
    group = SequenceGroup(handle=None, size=4)
    with pytest.raises(WorkError, match=r"sequence_parallel=4 does not divide .*num_attention_heads, 6"):
        parts(experiment("kernels=fast"), group, untrained("llama", {}))


def test_sequences_are_shared_by_rows_alone():
    e = experiment("kernels=stock", "kernels.loss=fused")
    with pytest.raises(WorkError, match=r"needs kernels\.attention=rows"):
        parts(e, SequenceGroup(handle=None, size=2), untrained("llama", {}))


def test_all_layers_or_none_where_the_model_says():
    for stated, layers in ((True, SIZES["num_hidden_layers"]), (False, 0)):
        words = ["kernels=fast", "kernels.recompute_layers=null", f"model.activation_checkpointing={stated}"]
        assert parts(experiment(*words), None, untrained("llama", {})).recompute == layers


def test_as_few_layers_are_recomputed_as_there_is_room_for():
    layers = step(model())._prepared() * 4
    kept, again = memory.kept_bytes(layers[0], tokens=100, size=2)
    work = memory.working_bytes(layers[0], tokens=100, size=2)
    assert again < kept
    assert memory.to_recompute(work + 8 * kept, layers, 100, 2) == 0
    assert memory.to_recompute(work + 8 * kept - 1, layers, 100, 2) == 1
    assert memory.to_recompute(work + 5 * kept + 3 * again, layers, 100, 2) == 3
    assert memory.to_recompute(0, layers, 100, 2) == 8
