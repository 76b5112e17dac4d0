"""Bytes that a micro batch takes: what layers keep for the backward pass, what they work in, and the loss.

Symbols: n tokens, h hidden, i intermediate, q and kv the widths of all heads, s bytes of the compute type,
R whether an adapter is attached to a layer, r its rank.
"""

from dataclasses import dataclass

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture, Linear
from ftcore.plan.parts import Parts
from ftcore.plan.room import CHUNK_BYTES
from ftcore.plan.states import low_rank, trained_parameters


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
    the MLP: gate, silu(gate) and up, 3 s i (a token passes through k experts where there are some; of
    quantised layers in fp32);
    inputs of linear layers: see `_inputs`.

    Working: the gradients of the MLP's product, gate and up, and where they are of 16 bit the product's fp32
    gradient that comes out of the adapter: n (3 s + 4) i, and of the hidden states, n (s + 4) h.
    """
    s, h = p.compute, a.hidden
    repeated = a.q if p.masked else a.kv
    attention = s * (2 * a.q + 2 * repeated + _by_heads(e, a)) + 4 * a.heads
    if e.model.attention == "eager" and not p.attention:
        # The probabilities: fp32 out of the softmax, and as they meet v.
        attention += a.heads * e.max_length * (4 + s if s < 4 else 4)
    norms = 2 * (4 * h + 4)
    widths = _mlp_width(a)
    # bitsandbytes gives outputs the type of the input, which is fp32 here (`parts.residual`).
    m = max(s, p.residual) if e.lora.quantization else s
    qk_norm = (4 * (a.q + a.kv) + 4 * (a.heads + a.kv_heads)) if a.qk_norm else 0
    per_token = norms + qk_norm + attention + 3 * m * widths + _inputs(e, a, p)
    mask = e.max_length**2 * e.data.micro_batch_size * (1 + s) // max(a.layers, 1) if p.masked else 0
    cast = 4 if m < 4 else 0
    working = (3 * m + cast) * widths + (s + 4) * h
    # Quantised weights are turned back into the compute type one layer at a time.
    whole = s * max(one.weights for one, _ in a.linears) if e.lora.quantization else 0
    return Layer(
        kept=p.tokens * per_token + mask,
        again=p.tokens * p.residual * h,
        working=p.tokens * working + whole,
    )


def _inputs(e: Experiment, a: Architecture, p: Parts) -> int:
    """Bytes a token of the inputs that linear layers keep, since something is trained on them.

    A 16-bit input of an fp32 adapter is cast to fp32, and under autocast back to 16 bit, anew for every
    layer: each keeps its own. An adapter of the input's own type keeps that, shared by those that read it.
    Dropout gives each an input of its own, and a mask, a byte an element.
    """
    s, own = p.compute, {one.name: one for one, _ in a.linears}
    shared = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))
    if e.lora.method == "full":
        # o's input is attention's output, kept already; the norms' inputs, scaled, are for their weights.
        return s * (4 * a.hidden + _mlp_width(a))
    bytes_ = 0
    for names in shared:
        targeted = [own[name] for name in names if name in own and _targeted(e, a, own[name])]
        if not targeted:
            continue
        apart = p.trained != s or e.lora.dropout > 0
        bytes_ += s * e.lora.rank * len(targeted)
        if apart:
            bytes_ += sum(_width(a, one) for one in targeted) * (s + (e.lora.dropout > 0))
        elif names != ("o_proj",):
            bytes_ += s * _width(a, targeted[0])
    return bytes_


def _by_heads(e: Experiment, a: Architecture) -> int:
    """Width of attention's output, where ranks share rows: by heads for attention's backward pass, beside the
    one by tokens."""
    return a.q if e.parallelism.sequence_parallel > 1 else 0


def _targeted(e: Experiment, a: Architecture, one: Linear) -> bool:
    return e.lora.targets is None or one.name in e.lora.targets


def _width(a: Architecture, one: Linear) -> int:
    return _mlp_width(a) if one.name == "down_proj" else one.inputs


def _mlp_width(a: Architecture) -> int:
    """Intermediate elements that a token passes through in the widest layer."""
    sparse = a.experts_per_token * a.expert_intermediate + a.shared_intermediate if a.sparse_layers else 0
    return max(sparse, a.intermediate if a.layers > a.sparse_layers else 0)


def logits(e: Experiment, a: Architecture, p: Parts, labelled: float, cached: int = 0) -> int:
    """Bytes of the loss and of what leads to it, at their widest; `cached` is of the forward pass alone.

    stock: of every position, in the backward pass of the softmax: its fp32 output, and the fp32 gradients
    on both its sides: 12 n vocabulary. In the forward pass: logits, their fp32 copy and that output.
    fused, or ftcore's layers or attention: of labelled positions alone; fused holds a chunk of logits in the
    compute type. The last norm keeps an fp32 copy of its input and gives one of s, whose gradient is there
    too: (4 + 2 s) h.
    """
    flat = p.layers or p.attention or p.loss
    n = max(1, round(p.tokens * labelled)) if flat else p.tokens
    hidden = n * (4 + 2 * p.compute) * a.hidden + _gathered_head(e, a, p)
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


def _gathered_head(e: Experiment, a: Architecture, p: Parts) -> int:
    """Under ZeRO-3 the head's weights are gathered for the loss.

    A lone rank copies them only where the loss reads them itself instead of calling the head, and only the
    first time (`ZeROOrderedDict.__getitem__`), before AdamW has made its moments.
    """
    head = p.compute * a.vocabulary * a.hidden
    if e.zero_stage != 3:
        return 0
    if e.world_size > 1:
        return head
    return max(0, head - 8 * trained_parameters(e, a)) if p.attention or p.loss else 0
