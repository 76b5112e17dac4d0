"""Bytes and work of a layer's block of experts, as transformers (5.17) and PEFT (0.21) compute it.

`grouped_mm` is what transformers takes by itself on CUDA and on a CPU (`get_correct_experts_implementation`;
compute capability 8.0 or more): tokens are gathered into S = n k rows, sorted by expert, and two products of
groups of rows follow. Symbols: n tokens of a micro batch, k experts a token, E experts, h hidden, i an
expert's intermediate, m bytes of the experts' type: products of groups take no part in autocast, so their
rows are of the type of the weights. s bytes of the compute type.

PEFT adapts the experts of some families as whole tensors (`Architecture.adapts_experts`, `ParamWrapper`): it
adds B A to the weights of all E experts anew in every forward pass, and the sum is kept like an activation.
"""

from dataclasses import dataclass

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.parts import Parts

INDEX = 8
"""Bytes of an int64."""


@dataclass(frozen=True, slots=True)
class Block:
    """Of what stands behind a layer's attention, and one micro batch."""

    kept: int
    working: int
    """In use at once in its backward pass, beside what is kept; gradients of the hidden states left out."""


def block(e: Experiment, a: Architecture, p: Parts) -> Block:
    """Of the experts and what routes to them, without an expert that every token passes through.

    Kept, a row: gate and up behind the mask that keeps rows of nobody's out (m 2 i), silu(gate) (m i), down's
    output behind it (m h), three indices (the gather's, the sort's, its inverse), that mask, and the row's
    share. A token: the router's softmax (4 E, fp32), the indices that topk gave (8 k), and k shares before
    they are made to sum to 1, with the sum. What is trained keeps its input: gate and up (m h a row), down
    (m i a row). Adapted experts: weights with the adapter added, m E 3 h i, and their factors in m.

    Working, at the widest of: putting rows back in order and weighting them, three times m h a row (fp32 in
    mixtral, whose shares are); the product's gradients, 3 m i a row, when down's output has gone; and of
    trained weights the whole gradient of down's, with the product's, or of gate and up, when the sum that
    down's product read has gone.
    """
    k, h, i, m = a.experts_per_token, a.hidden, a.expert_intermediate, size(e, p)
    share = 4 if a.family == "mixtral" else p.compute
    gate_up, down = trains(e, a)
    row = m * (3 * i + h) + 3 * INDEX + 1 + share + m * h * gate_up + m * i * down
    token = k * row + 4 * a.experts + k * INDEX + 4 * (k + 1)
    one = m * a.experts * h * i
    grads = (2 * one * gate_up, one * down)
    sums = 0 if e.lora.method == "full" else sum(grads)
    rows, factors = p.tokens * k, 0
    if sums and p.trained != m:
        factors = m * a.expert_adapters(e.lora.rank, e.lora.targets) // a.sparse_layers
    working = max(
        rows * 3 * h * max(m, share),
        rows * m * (3 * i - h),
        grads[1] + rows * m * i,
        grads[0] - (grads[1] if sums else 0),
    )
    return Block(kept=p.tokens * token + 4 * a.experts + sums + factors, working=working)


def size(e: Experiment, p: Parts) -> int:
    """Bytes of the experts' type."""
    return p.trained if e.lora.method == "full" else p.weights


def trains(e: Experiment, a: Architecture) -> tuple[bool, bool]:
    """Whether the weights of gate and up, and of down, have a gradient."""
    return (True, True) if e.lora.method == "full" else a.adapted_experts(e.lora.targets)


def trained(e: Experiment, a: Architecture) -> int:
    """Trained elements of all layers that autocast makes no copies of: experts or their adapters."""
    if e.lora.method == "full":
        return a.sparse_layers * expert_weights(a)
    return a.expert_adapters(e.lora.rank, e.lora.targets)


def expert_weights(a: Architecture) -> int:
    """Of all experts of one layer."""
    return 3 * a.experts * a.hidden * a.expert_intermediate


def routed_bytes(a: Architecture, size: int) -> int:
    """Bytes a token that pass over memory beside the products' own, forward, in one layer.

    A row: gathered (2 h), masked in place (2 h), gate and up behind their mask (4 i), silu and product (5 i),
    down's output behind its mask, weighted and put back in order (6 h), added up (h). A token: its sum (h),
    and the router's logits, softmax and topk (16 E).
    """
    k, h, i = a.experts_per_token, a.hidden, a.expert_intermediate
    shared = 5 * a.shared_intermediate + 5 * h * bool(a.shared_intermediate)
    return size * (k * (11 * h + 9 * i) + h + shared) + 16 * a.experts


def weight_bytes(a: Architecture, size: int, targets: tuple[str, ...] | None, full: bool) -> tuple[int, int]:
    """(forward, backward) bytes of one layer that go with its weights, whatever the tokens: groups of few
    rows read weights as fast as memory gives them. Trained ones have a gradient that is written. Adapted ones
    are added to their adapter, read and written, twice: PEFT's parametrisation tries its sum out first
    (`torch.nn.utils.parametrize`); back, the sum's gradient is read for both factors."""
    whole = size * expert_weights(a)
    if full:
        return whole, 2 * whole
    gate_up, down = a.adapted_experts(targets)
    adapted = size * a.experts * a.hidden * a.expert_intermediate * (2 * gate_up + down)
    return whole + 4 * adapted, whole + 3 * adapted


def adapter_operations(a: Architecture, rank: int, targets: tuple[str, ...] | None) -> tuple[int, int]:
    """(forward, backward) operations of one layer that go with its experts' adapters, whatever the tokens:
    2 E in out r for the sum, twice; back, as much for either factor. Gate and up share twice the rank."""
    gate_up, down = a.adapted_experts(targets)
    once = 2 * a.experts * a.hidden * a.expert_intermediate * rank * (2 * 2 * gate_up + down)
    return 2 * once, 2 * once
