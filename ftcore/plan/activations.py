"""Bytes that a micro batch takes: what layers keep for the backward pass, what they work in, and the loss.

Symbols: n tokens, h hidden, i intermediate, q and kv the widths of all heads, s bytes of the compute type,
R whether an adapter is attached to a layer, r its rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ftcore.config.schema import Experiment
from ftcore.plan import experts
from ftcore.plan.architecture import Architecture
from ftcore.plan.experts import Block
from ftcore.plan.inputs import Group, kept_inputs
from ftcore.plan.parts import Parts
from ftcore.plan.room import CHUNK_BYTES
from ftcore.plan.states import low_rank


@dataclass(frozen=True, slots=True)
class Layer:
    """Of one decoder layer and one micro batch."""

    kept: int
    """For the backward pass, where it is not computed again."""

    again: int
    """Its input alone, where it is."""

    working: int
    """In use at once in its backward pass, beside what is kept."""


def layer(e: Experiment, a: Architecture, p: Parts) -> Layer:
    """The largest layer's."""
    return _fused(e, a, p) if p.layers else _stock(e, a, p)


def _fused(e: Experiment, a: Architecture, p: Parts) -> Layer:
    """ftcore's layers (`ftcore.training.fast.memory.kept_bytes`): input, q, k, v, attention's output, the
    residual after it, gate and up, and the adapters' low sides: n s (3 h + 2 q + 2 kv + 2 i + r's); fp32:
    two norms' scales and attention's logsumexp, 4 n (2 + heads).

    In the backward pass of the MLP: the gradients of its product and of gate and up, the product again
    (n s 4 i), the gradient of the output, of the residual, and a norm's output (n s 3 h); fp8 has a quantised
    copy of the gradient of gate and up (n 2 i).
    """
    targets, r = e.lora.targets, e.lora.rank
    low = 0
    for names in (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",)):
        low += low_rank([name for name in names if targets is None or name in targets], r)
    width = 2 * a.hidden + 2 * a.q + 2 * a.kv + _by_heads(e, a) + 2 * a.intermediate + low
    working = p.compute * (4 * a.intermediate + 3 * a.hidden) + (2 * a.intermediate if p.fp8 else 0)
    return Layer(
        kept=p.tokens * (p.compute * width + 4 * (2 + a.heads)),
        again=p.tokens * p.compute * a.hidden,
        working=p.tokens * working,
    )


def _stock(e: Experiment, a: Architecture, p: Parts) -> Layer:
    """transformers' layers (5.17) through PEFT (0.21), by what autograd saves:

    norms, 2 x (4 h + 4): an fp32 copy of their input and its scale; their output where it is an input below;
    attention: q, k, v, output, s (2 q + 2 kv), k and v as wide as q behind a mask, and 4 heads of logsumexp;
    inputs of linear layers: see `ftcore.plan.inputs`; and the widest of what stands behind attention.

    Working, of the hidden states: their gradients, n (s + 4) h.
    """
    s, h = p.compute, a.hidden
    repeated = a.q if p.masked else a.kv
    attention = s * (2 * a.q + 2 * repeated + _by_heads(e, a)) + 4 * a.heads
    if e.model.attention == "eager" and not p.attention:
        # The probabilities: fp32 out of the softmax, and as they meet v.
        attention += a.heads * e.max_length * (4 + s if s < 4 else 4)
    norms = 2 * (4 * h + 4)
    if e.lora.method == "full":
        norms += s * 2 * h  # their inputs, scaled, for their weights
    qk_norm = (4 * (a.q + a.kv) + 4 * (a.heads + a.kv_heads)) if a.qk_norm else 0
    per_token = norms + qk_norm + attention + kept_inputs(e, p, (a.attention[:3], a.attention[3:]))
    square = p.tokens**2 if p.flat else e.max_length**2 * e.data.micro_batch_size
    mask = square * (1 + s) // a.layers if p.masked else 0
    behind = _behind_attention(e, a, p)
    # Quantised weights are turned back into the compute type one layer at a time.
    whole = s * max(one.weights for one, _ in a.linears) if e.lora.quantization else 0
    return Layer(
        kept=p.tokens * per_token + mask + behind.kept,
        again=p.tokens * p.residual * h,
        working=p.tokens * (s + 4) * h + behind.working + whole,
    )


def _behind_attention(e: Experiment, a: Architecture, p: Parts) -> Block:
    """The larger one where some layers have experts and others an MLP."""
    blocks = []
    if a.layers > a.sparse_layers:
        mlp = () if a.adapts_experts and e.lora.method != "full" else a.dense_mlp
        blocks.append(_mlp(e, p, a.intermediate, (mlp[:2], mlp[2:])))
    if a.sparse_layers:
        blocks.append(_sparse(e, a, p))
    return Block(max(one.kept for one in blocks), max(one.working for one in blocks))


def _mlp(e: Experiment, p: Parts, width: int, groups: Sequence[Group]) -> Block:
    """Gate, silu(gate) and up, 3 s i (of quantised layers in fp32). Working: the gradients of the product,
    gate and up, and where they are of 16 bit the product's fp32 gradient that comes out of the adapter:
    n (3 s + 4) i."""
    # bitsandbytes gives outputs the type of the input, which is fp32 here (`parts.residual`).
    m = max(p.compute, p.residual) if e.lora.quantization else p.compute
    kept = 3 * m * width + kept_inputs(e, p, groups)
    cast = 4 if m < 4 else 0
    return Block(kept=p.tokens * kept, working=p.tokens * (3 * m + cast) * width)


def _sparse(e: Experiment, a: Architecture, p: Parts) -> Block:
    """Experts, and the one that every token passes through: its output and its gate's sigmoid, s (h + 1). In
    the backward pass it comes last. Full fine-tuning keeps what the router reads, which the shared expert
    reads too."""
    routed = experts.block(e, a, p)
    if not a.shared_intermediate:
        router = p.compute * a.hidden if e.lora.method == "full" else 0
        return Block(routed.kept + p.tokens * router, routed.working)
    gate, up, down, of_gate = a.sparse_mlp
    shared = _mlp(e, p, a.shared_intermediate, ((gate, up, of_gate), (down,)))
    output = p.tokens * p.compute * (a.hidden + 1)
    return Block(
        kept=routed.kept + shared.kept + output,
        working=max(routed.working, shared.working - routed.kept) + output,
    )


def logits(e: Experiment, a: Architecture, p: Parts, labelled: float, cached: int = 0) -> int:
    """Bytes of the loss and of what leads to it, at their widest; `cached` is of the forward pass alone.

    stock: of every position, in the backward pass of the softmax: its fp32 output, and the fp32 gradients
    on both its sides: 12 n vocabulary. In the forward pass: logits, their fp32 copy and that output.
    fused, or ftcore's layers or attention: of labelled positions alone; fused holds a chunk of logits in the
    compute type. The last norm keeps an fp32 copy of its input and gives one of s, whose gradient is there
    too: (4 + 2 s) h.
    """
    n = max(1, round(p.tokens * labelled)) if p.flat else p.tokens
    hidden = n * (4 + 2 * p.compute) * a.hidden
    if not p.loss:
        # Of an fp32 head that is frozen autocast keeps no copy from one use to the next; the graph does.
        cast = p.compute * a.vocabulary * a.hidden if e.lora.quantization and p.compute < 4 else 0
        there = max(12 * n * a.vocabulary, (8 + p.compute) * n * a.vocabulary + cached)
        return there + hidden + cast
    rows = min(n, max(1, CHUNK_BYTES // (a.vocabulary * p.compute)))
    of_head = 8 * a.vocabulary * a.hidden if e.lora.method == "full" else 0  # its fp32 gradient and a chunk's
    # It reads an fp32 head in the compute type.
    wide = e.lora.quantization or (e.lora.method == "full" and p.trained != p.compute)
    cast = p.compute * a.vocabulary * a.hidden if wide and p.compute < 4 else 0
    return rows * a.vocabulary * p.compute + hidden + of_head + cast + cached


def _by_heads(e: Experiment, a: Architecture) -> int:
    """Width of attention's output, where ranks share rows: by heads for attention's backward pass, beside the
    one by tokens."""
    return a.q if e.parallelism.sequence_parallel > 1 else 0
