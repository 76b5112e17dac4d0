"""ftcore's decoder layers, loss and attention against transformers and PEFT, in fp32."""

import pytest
import torch

from ftcore.training.fast import stock_attention
from ftcore.training.fast.projection import Fp8Projection
from tests.fixtures.fast import TARGETS, gradients, micro_batch, model, step, stock_loss

ROWS = [17, 1, 30, 16]


def test_rows_without_a_label_have_no_loss():
    data = micro_batch([1, 1])
    assert step(model()).loss(data).isnan() and step(model(), layers=False).loss(data).isnan()


def assert_alike(ours, theirs, tolerance=2e-5):
    assert ours.keys() == theirs.keys()
    for name, grad in theirs.items():
        scale = grad.abs().max()
        assert scale > 0, name
        assert (ours[name] - grad).abs().max() <= tolerance * scale, name


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize("targets", [TARGETS, ("q_proj", "v_proj"), ("down_proj", "k_proj"), ("o_proj",)])
def test_every_gradient_is_that_of_plain_pytorch(family, targets):
    data = micro_batch(ROWS)
    llm = model(family, targets)
    loss = stock_loss(llm, data)
    expected = gradients(llm, loss)
    # One of the two layers is computed again.
    mine = step(llm, recompute=1).loss(data)
    assert abs(mine - loss) < 1e-5
    assert_alike(gradients(llm, mine), expected)


@pytest.mark.parametrize(
    "off",
    [
        {"layers": False},
        {"loss": False},
        {"layers": False, "attention": False},
        {"layers": False, "loss": False},
    ],
)
def test_each_part_alone(off):
    data = micro_batch(ROWS)
    llm = model()
    loss = stock_loss(llm, data)
    expected = gradients(llm, loss)
    mine = step(llm, **off).loss(data)
    assert abs(mine - loss) < 1e-5
    assert_alike(gradients(llm, mine), expected)


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2"])
def test_attention_by_rows_makes_no_mask(family, monkeypatch):
    """transformers makes one of n x n for whoever asks, 1 GiB of 32,768 tokens; rows alone without their
    lengths still get theirs."""
    made, real = [], stock_attention.sdpa_mask

    def counted(*args, **kwargs):
        made.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(stock_attention, "sdpa_mask", counted)
    llm, data = model(family), micro_batch(ROWS)
    step(llm, layers=False).loss(data)
    assert not made
    llm(input_ids=data["input_ids"], position_ids=data["position_ids"])
    assert made


def test_adapters_that_a_kernel_adds_are_added(monkeypatch):
    """What fp8 weights leave to the MLP's kernel, with weights that are not rounded."""
    monkeypatch.setattr(Fp8Projection, "_base", lambda self, x: x @ self.exact.T)
    monkeypatch.setattr(Fp8Projection, "_base_backward", lambda self, dy: dy @ self.exact)
    place = Fp8Projection._place_frozen

    def keep(self, layers):
        self.exact = torch.cat([layer.weight.detach().clone() for layer in layers])
        place(self, layers)

    monkeypatch.setattr(Fp8Projection, "_place_frozen", keep)
    data = micro_batch(ROWS)
    llm = model()
    loss = stock_loss(llm, data)
    expected = gradients(llm, loss)
    mine = step(llm, fp8=True).loss(data)
    assert abs(mine - loss) < 1e-5
    assert_alike(gradients(llm, mine), expected)


@pytest.mark.parametrize("further", [
    {"tie_word_embeddings": True}, {"attention_bias": True}, {"mlp_bias": True, "attention_bias": True},
    {"intermediate_size": 32}, {"head_dim": 16},
    {"rope_scaling": {"rope_type": "linear", "factor": 2.0}},
])  # fmt: skip
def test_what_a_configuration_can_say(further):
    data = micro_batch(ROWS)
    llm = model(**further)
    loss = stock_loss(llm, data)
    expected = gradients(llm, loss)
    assert_alike(gradients(llm, step(llm).loss(data)), expected)
