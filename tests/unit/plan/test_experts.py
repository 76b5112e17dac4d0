"""Mixtures of experts: what a layer keeps against what autograd saves, and what adapters on experts add."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.config.compose import compose
from ftcore.plan import experts
from ftcore.plan.activations import layer
from ftcore.plan.families import read
from ftcore.plan.memory import memory
from ftcore.plan.parts import parts
from ftcore.plan.shapes import KNOWN
from tests.fixtures.saved_tensors import saved_bytes

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
SMALL = {
    "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 96, "head_dim": 16,
}  # fmt: skip
ROUTED = {"num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 48}
FAMILIES = {
    "mixtral": {"num_local_experts": 6, "num_experts_per_tok": 2},
    "qwen2_moe": ROUTED | {"shared_expert_intermediate_size": 112},
    "qwen3_moe": ROUTED | {"norm_topk_prob": True},
}


def asked(*words: str, targets=ATTENTION, rank: int = 4, length: int = 64):
    return compose([
        "hardware=cuda", "hardware.arch=sm_90", "hardware.memory_gib=79.2", "hardware.devices_per_node=1",
        "precision=bf16", "parallelism=single", "evaluation=none", "data=agent_flan", "data.path=/rows",
        "model=llama3_8b_instruct", "kernels=stock", "data.packing=false",
        "model.activation_checkpointing=false", f"max_length={length}", f"rank={rank}",
        f"lora.targets=[{','.join(targets)}]", *words,
    ]).experiment  # fmt: skip


def of_a_layer(config: dict, **how) -> int:
    return saved_bytes(config, 4, **how) - saved_bytes(config, 3, **how)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_sparse_layer_keeps_what_autograd_saves(family, dropout):
    """LoRA on attention, whose experts are frozen: within 3 %."""
    config = SMALL | FAMILIES[family] | {"model_type": family}
    a, e = read(config), asked(f"lora.dropout={dropout}")
    real = of_a_layer(config, targets=ATTENTION, dropout=dropout)
    if dropout:  # a CPU's mask is of the input's type, fp32; an accelerator's is a byte an element
        real -= 3 * 64 * sum(one.inputs for one in a.attention)
    copies = 2 * a.lora_parameters(4, ATTENTION) // a.layers
    assert layer(e, a, parts(e, a)).kept + copies == pytest.approx(real, rel=0.03)


def test_a_shared_expert_with_adapters():
    """qwen2_moe: PEFT finds the linear layers of the shared expert, and leaves the others alone."""
    config = SMALL | FAMILIES["qwen2_moe"] | {"model_type": "qwen2_moe"}
    a, targets = read(config), (*ATTENTION, *MLP, "shared_expert_gate")
    e = asked(targets=targets)
    copies = 2 * a.lora_parameters(4, targets) // a.layers
    kept = layer(e, a, parts(e, a)).kept + copies
    assert kept == pytest.approx(of_a_layer(config, targets=targets), rel=0.03)


@pytest.mark.parametrize("targets", [(*ATTENTION, *MLP), (*ATTENTION, "down_proj"), MLP[:2]], ids=",".join)
def test_adapted_experts_keep_their_whole_weights(targets):
    """qwen3_moe: the sum of weights and adapter is kept for every expert, whatever the tokens."""
    config = SMALL | FAMILIES["qwen3_moe"] | {"model_type": "qwen3_moe"}
    a, e = read(config), asked(targets=targets)
    p = parts(e, a)
    copies = 2 * (a.lora_parameters(4, targets) - experts.trained(e, a)) // a.layers
    assert layer(e, a, p).kept + copies == pytest.approx(of_a_layer(config, targets=targets), rel=0.03)


SIBLINGS = {"mixtral": "mistral", "qwen2_moe": "qwen2", "qwen3_moe": "qwen3"}
"""With the same attention and norms."""


@pytest.mark.parametrize("family", FAMILIES)
def test_full_fine_tuning_of_16_bit_weights(family):
    """As under DeepSpeed: what a sparse layer keeps more than a dense one, within 3 % of the layer."""
    e = asked("lora=full", "parallelism=zero2")  # rows shorter than mistral's window
    real, ours = [], []
    for config in (FAMILIES[family] | {"model_type": family}, {"model_type": SIBLINGS[family]}):
        a = read(SMALL | config)
        ours.append(layer(e, a, parts(e, a)).kept)
        real.append(of_a_layer(SMALL | config, targets=(), full=True))
    assert ours[0] - ours[1] == pytest.approx(real[0] - real[1], abs=0.03 * real[0])


def test_experts_of_fp32_weights_take_no_part_in_autocast():
    """Full fine-tuning without DeepSpeed: rows of experts are fp32, and no 16-bit copies are made."""
    a = read(SMALL | FAMILIES["qwen3_moe"] | {"model_type": "qwen3_moe"})
    amp, zero = asked("lora=full"), asked("lora=full", "parallelism=zero2")
    assert (experts.size(amp, parts(amp, a)), experts.size(zero, parts(zero, a))) == (4, 2)
    assert experts.trained(amp, a) == 2 * 6 * 3 * 64 * 48


def test_without_targets_sparse_layers_have_no_adapted_experts():
    """XTuner names linear layers, and experts are none; a dense layer beside them has names that PEFT takes
    for the experts'."""
    config = SMALL | FAMILIES["qwen3_moe"] | {"model_type": "qwen3_moe"}
    sparse, mixed = read(config), read(config | {"mlp_only_layers": [0]})
    assert sparse.adapted_experts(None) == (False, False) == sparse.adapted_experts(ATTENTION)
    assert sparse.lora_parameters(4, None) == sparse.lora_parameters(4, ATTENTION)
    assert mixed.adapted_experts(None) == (True, True) == sparse.adapted_experts(MLP)


def test_adapted_experts_are_recomputed_one_layer_at_a_time():
    """Qwen3-30B-A3B: 1.1 GiB a layer of sums that frozen experts do not need."""
    a = read(KNOWN["Qwen3-30B-A3B"])
    whole = 2 * experts.expert_weights(a)
    frozen, adapted = asked(length=64), asked(targets=(*ATTENTION, *MLP), length=64)
    p = parts(frozen, a)
    assert layer(adapted, a, p).kept - layer(frozen, a, p).kept > whole > 1.1 * 2**30
    again = asked("model.activation_checkpointing=true", targets=(*ATTENTION, *MLP), length=64)
    there = [memory(e, a).phases["backward, last layer"] for e in (adapted, again)]
    assert there[0] - there[1] > 46 * whole


@pytest.mark.parametrize("targets", [ATTENTION, (*ATTENTION, *MLP)], ids=["attention", "experts"])
@pytest.mark.parametrize("checkpointing", ["true", "false"])
@given(length=st.integers(64, 8192), batch=st.integers(1, 8), rank=st.integers(1, 128))
@settings(max_examples=30, deadline=None)
def test_more_of_anything_never_needs_less(targets, checkpointing, length, batch, rank):
    """Length, micro batch, rank and experts a token."""
    base = compose_once(targets, checkpointing)
    shape = KNOWN["Qwen3-30B-A3B"]

    def peak(length: int, batch: int, rank: int, experts_per_token: int = 8) -> int:
        data = base.data.model_copy(update={"micro_batch_size": batch})
        lora = base.lora.model_copy(update={"rank": rank})
        e = base.model_copy(update={"max_length": length, "data": data, "lora": lora})
        return memory(e, read(shape | {"num_experts_per_tok": experts_per_token})).peak.total

    here = peak(length, batch, rank)
    assert peak(length + 1, batch, rank) >= here
    assert peak(length, batch + 1, rank) >= here
    assert peak(length, batch, rank + 1) >= here
    assert peak(length, batch, rank, 9) >= here


@functools.cache
def compose_once(targets: tuple[str, ...], checkpointing: str):
    return asked(f"model.activation_checkpointing={checkpointing}", targets=targets)
