"""Work of a micro batch on one rank, in floating-point operations and bytes: what a time is made of.

The same counts are divided by rates in a plan (`ftcore.plan.time`) and fitted to what was measured in a
calibration (`ftcore.plan.rates`), so that a rate is always of the work that it is used for.

Symbols: n tokens, m positions whose logits are computed, P weights of linear layers, r rank, h hidden, i
intermediate, q and kv the widths of all heads, V vocabulary, s bytes of the compute type. A product of an
(n, in) by an (in, out) matrix is 2 n in out operations.
"""

from dataclasses import dataclass

from ftcore.config.schema import Experiment
from ftcore.plan import experts
from ftcore.plan.architecture import Architecture
from ftcore.plan.parts import Parts

LAST = ("q_proj", "k_proj", "v_proj")
"""Of the last fused layer, what all tokens pass through; the rest of it is for labelled ones alone."""


@dataclass(frozen=True, slots=True)
class Micro:
    """Tokens of one micro batch on one rank."""

    tokens: float
    """That are computed, padding among them."""

    squares: float
    """Sum of the squares of the rows' lengths, as far as tokens see each other."""

    labelled: float
    """Positions whose logits are computed: all of them with the stock loss."""


@dataclass(frozen=True, slots=True)
class How:
    """By which code a model is trained, and what of it."""

    method: str
    """lora, qlora or full."""

    rank: int
    targets: tuple[str, ...] | None
    fused: bool
    """ftcore's layers."""

    loss: bool
    """ftcore's loss."""

    masked: bool
    """Attention behind a mask: every token is computed with every other one, what is masked too."""

    size: int
    """Bytes of the compute type."""

    bits: int | None = None
    """Of quantised weights."""


@dataclass(frozen=True, slots=True)
class Passes:
    """Of the three passes over the layers."""

    forward: float
    backward: float
    recompute: float

    @property
    def total(self) -> float:
        return self.forward + self.backward + self.recompute


@dataclass(frozen=True, slots=True)
class Work:
    """Of one micro batch on one rank."""

    linear: Passes
    """Operations of linear layers and adapters, the head left out."""

    attention: Passes
    """Operations of attention itself."""

    elementwise: Passes
    """Bytes that everything else in the layers reads and writes."""

    head: float
    """Operations of the head and its gradients; the loss goes with them."""

    layers: int
    again: int
    """Layers that are computed again."""

    masked: bool


def how(e: Experiment, p: Parts) -> How:
    """What an experiment says of it."""
    bits = e.lora.quantization.bits if e.lora.quantization else None
    targets = None if e.lora.targets is None else tuple(e.lora.targets)
    return How(e.lora.method, e.lora.rank, targets, p.layers, p.loss, p.masked, p.compute, bits)


def work(a: Architecture, by: How, micro: Micro, again: int) -> Work:
    """The work of `micro` on `a`, of whose layers `again` are computed twice.

    Forward 2 n P, and the same back through frozen weights; trained ones have a gradient of their own, 2 n P
    more, and so have experts with adapters (`ftcore.plan.experts`). Causal attention is 2 q (sum of squares)
    forward, half of what a full square takes, and 2.5 times that backward (its kernels compute the scores
    again). The head gives its input a gradient: 4 m h V.
    """
    n, share = micro.tokens, again / a.layers
    full, sparse = by.method == "full", a.sparse_layers
    frozen, low = 2 * linear_weights(a), 2 * _adapters(a, by)
    folded = (0, 0) if full else experts.adapter_operations(a, by.rank, by.targets)
    forward = n * (frozen + low) - _spared(a, by, micro) + sparse * folded[0]
    trained = frozen if full else low + 2 * _adapted_experts(a, by)
    backward = n * (frozen + low + trained) - _spared(a, by, micro) + sparse * folded[1]
    attention = (4 if by.masked else 2) * a.layers * a.q * micro.squares
    moved = n * _moved(a, by) + _dequantised(a, by)
    read = experts.weight_bytes(a, by.size, by.targets, full) if sparse else (0, 0)
    return Work(
        linear=Passes(forward, backward, share * forward),
        attention=Passes(attention, 2.5 * attention, share * attention),
        elementwise=Passes(
            moved + sparse * read[0], 2 * moved + sparse * read[1], share * (moved + sparse * read[0])
        ),
        head=micro.labelled * a.hidden * a.vocabulary * (6 if full else 4),
        layers=a.layers,
        again=again,
        masked=by.masked,
    )


def linear_weights(a: Architecture) -> int:
    """Weights of linear layers but the head that a token passes through; of experts, those of its own."""
    routed = a.hidden * (3 * a.experts_per_token * a.expert_intermediate + a.experts)
    return sum(one.weights * count for one, count in a.linears) + routed * a.sparse_layers


def _adapters(a: Architecture, by: How) -> int:
    """Weights of all adapters that a token passes through."""
    if by.method == "full":
        return 0
    return sum(by.rank * (one.inputs + one.outputs) * count for one, count in a.targeted(by.targets))


def _adapted_experts(a: Architecture, by: How) -> int:
    """Weights of a token's experts whose sum with an adapter has a gradient."""
    gate_up, down = a.adapted_experts(by.targets)
    return a.sparse_layers * a.experts_per_token * a.hidden * a.expert_intermediate * (2 * gate_up + down)


def _spared(a: Architecture, by: How, micro: Micro) -> float:
    """Operations that the last fused layer leaves out, forward: behind its attention it computes labelled
    positions alone."""
    if not by.fused:
        return 0.0
    behind = sum(one.weights for one in (*a.attention, *a.dense_mlp) if one.name not in LAST)
    return 2.0 * behind * max(0.0, micro.tokens - micro.labelled)


def _moved(a: Architecture, by: How) -> float:
    """Bytes a token that passes over memory read and write in all layers, forward, beside the products' own.

    Fused (`ftcore/training/fast/layer.py`): two norms with the residual 6 h, the output's sum 3 h, rotation
    2 (q + kv), the MLP's product 3 i. transformers' and PEFT's, by what their code says (a calibration finds
    how far from it they are): norms in fp32 in six passes each, residuals 6 h, rotation 6 (q + kv), silu and
    product 5 i; of an adapted layer its input to fp32 and back, and three passes over its output.
    """
    if by.fused:
        return a.layers * by.size * (9 * a.hidden + 2 * (a.q + a.kv) + 3 * a.intermediate)
    adapted = 0.0
    if by.method != "full":
        adapted = sum(
            count * ((8 + 2 * by.size) * one.inputs + 5 * by.size * one.outputs)
            for one, count in a.targeted(by.targets)
        )
    norms = 2 * 6 * 4 * a.hidden
    every = a.layers * (norms + by.size * (6 * a.hidden + 6 * (a.q + a.kv)))
    dense = (a.layers - a.sparse_layers) * by.size * 5 * a.intermediate
    sparse = a.sparse_layers * experts.routed_bytes(a, by.size) if a.sparse_layers else 0
    return every + dense + sparse + adapted


def _dequantised(a: Architecture, by: How) -> float:
    """Bytes that turn quantised weights into 16-bit ones and are read again, in every pass."""
    if by.bits is None:
        return 0.0
    return (by.bits / 8 + 2 * by.size) * sum(one.weights * count for one, count in a.linears)
