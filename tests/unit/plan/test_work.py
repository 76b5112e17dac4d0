"""Operations and bytes of a micro batch, against numbers worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.plan.families import find, read
from ftcore.plan.shapes import KNOWN
from ftcore.plan.work import How, Micro, linear_weights, work

LLAMA = find("meta-llama/Meta-Llama-3-8B")[0]
STOCK = How("lora", 64, None, fused=False, loss=False, masked=False, size=2)
FUSED = replace(STOCK, fused=True, loss=True)
FULL = Micro(4096, 4096**2, 4096)
LAYERS = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
ADAPTERS = 167_772_160


def test_linear_weights_by_hand():
    """Seven projections a layer."""
    assert linear_weights(LLAMA) == LAYERS == 6_979_321_856


def test_lora_is_2n_forward_2n_backward_and_2n_again():
    """Frozen weights have no gradient of their own, adapters do; computed again is one more forward pass."""
    found = work(LLAMA, STOCK, FULL, again=32).linear
    assert found.forward == 4096 * 2 * (LAYERS + ADAPTERS)
    assert found.backward == 4096 * (2 * LAYERS + 4 * ADAPTERS)
    assert found.recompute == found.forward


def test_full_is_2n_forward_and_4n_backward():
    """Six operations a parameter and token, as the literature counts."""
    found = work(LLAMA, replace(STOCK, method="full"), FULL, again=0).linear
    assert (found.forward, found.backward, found.recompute) == (4096 * 2 * LAYERS, 4096 * 4 * LAYERS, 0)


def test_recompute_of_some_layers_is_their_share():
    whole = work(LLAMA, STOCK, FULL, again=32)
    half = work(LLAMA, STOCK, FULL, again=16)
    assert half.linear.recompute == whole.linear.recompute / 2
    assert half.attention.recompute == whole.attention.recompute / 2


def test_causal_attention_by_hand():
    """Two products of 4096 x 4096 x 4096 a layer, half of which nobody looks at; 2.5 times that backward."""
    found = work(LLAMA, STOCK, FULL, again=0).attention
    assert found.forward == 32 * 2 * 2 * 4096 * 4096 * 4096 / 2
    assert found.backward == 2.5 * found.forward


def test_a_mask_costs_the_full_square():
    """Four rows of 1024 in one sample: behind a mask 4 times the squares, and all of each, not half."""
    rows = replace(FULL, squares=4 * 1024**2)
    by_rows = work(LLAMA, FUSED, rows, again=0).attention.forward
    masked = work(LLAMA, replace(STOCK, masked=True), FULL, again=0).attention.forward
    assert masked == 8 * by_rows


def test_head_of_labelled_positions_alone():
    """2 m h V for the logits and 2 m h V for the hidden states' gradient."""
    found = work(LLAMA, FUSED, replace(FULL, labelled=1000), again=0)
    assert found.head == 4 * 1000 * 4096 * 128_256


def test_the_last_fused_layer_leaves_unlabelled_positions_out():
    whole = work(LLAMA, FUSED, FULL, again=0).linear
    spared = work(LLAMA, FUSED, replace(FULL, labelled=1096), again=0).linear
    assert whole.forward - spared.forward == 2 * 3000 * (4096 * 4096 + 3 * 4096 * 14336)


def test_a_token_passes_through_its_experts_alone():
    """Mixtral: two of eight."""
    mixtral = read(KNOWN["Mixtral-8x7B-v0.1"])
    attention = 2 * 4096 * 4096 + 2 * 4096 * 1024
    assert linear_weights(mixtral) == 32 * (attention + 2 * 3 * 4096 * 14336 + 4096 * 8)


QWEN_MOE = read(KNOWN["Qwen3-30B-A3B"])
SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
EXPERTS = 3 * 128 * 2048 * 768


def test_experts_are_read_whole_however_few_the_tokens():
    """Bytes without a token: the weights of every layer's experts, in every pass; trained ones have a
    gradient that is written."""
    frozen = replace(STOCK, targets=SEVEN[:4])
    found = work(QWEN_MOE, frozen, Micro(0, 0, 0), again=48).elementwise
    assert found.forward == found.backward == found.recompute == 48 * 2 * EXPERTS
    full = work(QWEN_MOE, replace(STOCK, method="full"), Micro(0, 0, 0), again=0).elementwise
    assert (full.forward, full.backward) == (48 * 2 * EXPERTS, 48 * 4 * EXPERTS)


def test_adapted_experts_are_put_together_whatever_the_tokens():
    """Rank 64: E in out r for each of gate, up (of twice the rank) and down, 2 operations each, twice; and
    their sum has a gradient as trained weights have."""
    by = replace(STOCK, targets=SEVEN)
    nothing = work(QWEN_MOE, by, Micro(0, 0, 0), again=0).linear
    assert nothing.forward == nothing.backward == 48 * 2 * 2 * 64 * 5 * EXPERTS // 3
    attention, adapted = (
        work(QWEN_MOE, replace(STOCK, targets=names), Micro(1, 1, 1), again=0).linear
        for names in (SEVEN[:4], SEVEN)
    )
    of_token = 48 * 8 * 3 * 2048 * 768
    assert adapted.backward - nothing.backward - attention.backward == 2 * of_token
    assert adapted.forward - nothing.forward == attention.forward


def test_a_row_of_an_expert_moves_more_than_one_of_an_mlp():
    """Gathered, masked, weighted and put back: at equal widths a token's experts cost more."""
    dense = read(KNOWN["Mistral-7B-v0.1"])
    one = read(KNOWN["Mixtral-8x7B-v0.1"] | {"num_experts_per_tok": 1})
    by = replace(STOCK, targets=SEVEN[:4])
    whole, part = (work(a, by, Micro(1, 1, 1), again=0).elementwise.forward for a in (one, dense))
    read_ = 32 * 2 * 3 * 8 * 4096 * 14336
    assert whole - read_ - part == 32 * (2 * (12 * 4096 + 4 * 14336) + 16 * 8)


def test_quantised_weights_are_turned_back_in_every_pass():
    """Whatever the tokens: 4 bits read, 16 written and 16 read a weight."""
    by = replace(STOCK, method="qlora", bits=4)
    nothing = work(LLAMA, by, Micro(0, 0, 0), again=0)
    assert nothing.elementwise.forward == pytest.approx(4.5 * LAYERS)


sizes = st.integers(1, 8192)


@given(sizes, sizes, st.booleans(), st.integers(0, 32))
def test_more_tokens_are_never_less_work(tokens, further, fused, again):
    by = FUSED if fused else STOCK

    def of(n: int):
        return work(LLAMA, by, Micro(n, n**2, n // 2 if fused else n), again)

    less, more = of(tokens), of(tokens + further)
    for name in ("linear", "attention", "elementwise"):
        assert getattr(more, name).total > getattr(less, name).total
    assert more.head >= less.head
