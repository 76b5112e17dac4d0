"""A mixture of experts with adapters on its experts, from the command line to merged weights."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.fixtures.tiny import train
from tests.fixtures.tiny_families import save_model

SEVEN = "[q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj]"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_model("qwen3_moe", tmp_path_factory.mktemp("moe"))


def test_adapters_of_experts_are_trained_and_merged(tiny, base, tmp_path):
    """With layers computed again: the merged experts are the base's and scale B A, expert by expert, where
    gate and up share an adapter of twice the rank."""
    done = train(
        tiny, tmp_path, model__path=base, lora__targets=SEVEN, kernels="stock", max_steps=2,
        model__activation_checkpointing=True,
    )  # fmt: skip
    assert done.code == 0, done.err
    losses = [loss for _, loss in done.sequence("loss")]
    assert len(losses) == 2 and all(map(torch.isfinite, torch.tensor(losses)))
    adapter = load_file(done.run.adapter / "adapter_model.safetensors")
    stated = json.loads((done.run.adapter / "adapter_config.json").read_text(encoding="utf-8"))
    scale = stated["lora_alpha"] / stated["r"]
    before, after = (experts(folder) for folder in (base, done.run.merged))
    inner, outer = "experts.base_layer.lora", "experts.lora"
    for name, prefix, rank in (("gate_up_proj", inner, 8), ("down_proj", outer, 4)):
        a, b = (next(v for k, v in adapter.items() if f"layers.0.mlp.{prefix}_{side}" in k) for side in "AB")
        assert a.shape[0] == b.shape[1] == 4 * rank and b.abs().max() > 0
        delta = torch.einsum("ore,eri->eoi", b.reshape(len(b), rank, 4), a.reshape(4, rank, -1))
        torch.testing.assert_close(getattr(after, name), getattr(before, name) + scale * delta)


def experts(folder):
    """Of the first layer."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).model.layers[0].mlp.experts


def test_what_peft_refuses_of_experts_is_told_first(tiny, base, tmp_path):
    """Nothing is made."""
    done = train(tiny, tmp_path, model__path=base, lora__targets="[gate_proj]", lora__dropout=0.1)
    assert done.code == 2 and "lora.dropout" in done.err and "lora.targets" in done.err
    assert done.run is None
