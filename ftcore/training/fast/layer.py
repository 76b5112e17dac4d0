"""A decoder layer (norm, attention, norm, gated MLP) with its adapters, forward and backward written out.

What is kept for the backward pass is what cannot be had again by a pass over memory: the layer's input, the
rotated q, k and v, attention's output, the residual after it, and gate and up: 47 kB a token and layer for
Llama-3-8B less than what transformers and PEFT keep. The norms' outputs and the MLP's product come out of
the same kernels that their gradients need anyway.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ftcore.training.fast.ops import ops
from ftcore.training.fast.projection import Projection
from ftcore.training.fast.rows import Kept as KeptByAttention
from ftcore.training.fast.rows import Rows, attend, attend_backward


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """Weights and sizes of one layer."""

    qkv: Projection
    o: Projection
    gate_up: Projection
    down: Projection
    norms: tuple[Tensor, Tensor]
    eps: float
    heads: int
    kv_heads: int
    dropout: float

    @property
    def projections(self) -> tuple[Projection, ...]:
        return self.qkv, self.o, self.gate_up, self.down


@dataclass(frozen=True, slots=True)
class Batch:
    """What every layer reads beside its input."""

    rows: Rows
    cos: Tensor
    sin: Tensor


@dataclass(frozen=True, slots=True)
class Call:
    """How one layer is run on one micro batch."""

    batch: Batch
    seeds: tuple[int, ...]
    """Of the dropout before each projection."""

    only: Tensor | None = None
    """Of the last layer's tokens, those that anything is asked of, int64 (m,): it gives no others. Keys and
    values are of all tokens."""


@dataclass(slots=True)
class Kept:
    """What a layer's forward pass leaves for its backward pass, beside its input."""

    rstd: Tensor
    attended: Tensor
    attention: KeptByAttention
    middle: Tensor
    middle_rstd: Tensor
    gate_up: Tensor
    low: tuple[Tensor, ...]


def run(layer: DecoderLayer, x: Tensor, call: Call) -> tuple[Tensor, Kept]:
    """(output, what is kept) of x (n, h)."""
    step, batch, h = ops(x.device.type), call.batch, x.shape[1]
    first, rstd = step.rms_norm(x, layer.norms[0], layer.eps, layer.qkv.buffer(len(x))[:, :h])
    qkv, low_qkv = layer.qkv.forward(_whole(first, layer.qkv), _dropped(layer, first, call.seeds[0]))
    step.rotate_(qkv, batch.cos, batch.sin, layer.heads + layer.kv_heads)
    attended, attention = attend(*_heads(layer, qkv, batch), batch.rows)
    attended = attended.flatten(1)
    asked, residual = _picked(attended, call), _picked(x, call)
    middle, low_o = layer.o.forward(asked, _dropped(layer, asked, call.seeds[1]))
    second = layer.gate_up.buffer(len(middle))[:, :h]
    _, middle_rstd = step.rms_norm(middle, layer.norms[1], layer.eps, second, add=residual)
    gate_up, low_gu = layer.gate_up.forward(
        _whole(second, layer.gate_up), _dropped(layer, second, call.seeds[2])
    )
    product = layer.down.buffer(len(middle))[:, : layer.down.inputs]
    step.swiglu(gate_up, product, layer.gate_up.missing_in_y(low_gu))
    out, low_d = layer.down.forward(_whole(product, layer.down), _dropped(layer, product, call.seeds[3]))
    kept = Kept(rstd, attended, attention, middle, middle_rstd, gate_up, (low_qkv, low_o, low_gu, low_d))
    return out.add_(middle), kept


def run_backward(
    layer: DecoderLayer, x: Tensor, call: Call, kept: Kept, grad: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """(gradient of x, gradients of the adapters in the order of `projections`)."""
    step, batch, h = ops(x.device.type), call.batch, x.shape[1]
    to_qkv, to_o, to_gate_up, to_down = (
        _Back(layer, projection, low, seed)
        for projection, low, seed in zip(layer.projections, kept.low, call.seeds, strict=True)
    )

    grad = _with_room(grad, layer.down.below)
    dz = to_down(grad)
    d_gate_up, product = step.swiglu_backward(
        dz, kept.gate_up, layer.gate_up.missing_in_y(to_gate_up.low), layer.down.missing_in_dx(to_down.d_low)
    )
    kept.gate_up = None
    of_down = to_down.gradients(product)
    del product, dz

    d_second = to_gate_up(d_gate_up)
    d_middle, second = step.rms_norm_backward(
        d_second, kept.middle, layer.norms[1], kept.middle_rstd, grad[:, :h], torch.empty_like(kept.middle)
    )
    of_gate_up = to_gate_up.gradients(second)
    del d_gate_up, d_second, second

    d_attended = _spread(to_o(d_middle), call, len(x))
    of_o = to_o.gradients(_picked(kept.attended, call))
    d_heads = attend_backward(d_attended.unflatten(1, (layer.heads, -1)), kept.attention, batch.rows)
    dx, first = step.rms_norm_backward(
        to_qkv(step.rotate_back(*d_heads, batch.cos, batch.sin)), x, layer.norms[0], kept.rstd,
        _spread(d_middle, call, len(x)), _room(x, layer.down.below),
    )  # fmt: skip
    return dx, [*to_qkv.gradients(first), *of_o, *of_gate_up, *of_down]


class _Back:
    """The way back through a projection: the input's gradient first, then the adapters', for which the
    kernels after it give the input again."""

    def __init__(self, layer: DecoderLayer, projection: Projection, low: Tensor, seed: int) -> None:
        self.layer, self.projection, self.low, self.seed = layer, projection, low, seed

    def __call__(self, dy: Tensor) -> Tensor:
        """dx of dy, which lies in a buffer `below` wider."""
        self.dy = dy[:, : self.projection.outputs]
        dx, self.d_low = self.projection.backward(dy)
        if self.layer.dropout:
            share = self.layer.dropout
            return ops(dy.device.type).dropout(self.d_low @ self.projection.a, share, self.seed, add_to=dx)
        return self.projection.with_adapters(dx, self.d_low)

    def gradients(self, x: Tensor) -> list[Tensor]:
        """The adapters', for the input x."""
        read = _dropped(self.layer, x, self.seed)
        return self.projection.gradients(x if read is None else read, self.dy, self.low, self.d_low)


class RunLayer(torch.autograd.Function):
    """`run` and `run_backward` for autograd; the adapters are passed so that it sees them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, layer: DecoderLayer, call: Call, recompute: bool, *_adapters: Tensor
    ) -> Tensor:
        out, kept = run(layer, x, call)
        ctx.save_for_backward(x)
        ctx.of = (layer, call)
        ctx.kept = None if recompute else kept
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        layer, call = ctx.of
        kept = ctx.kept if ctx.kept is not None else run(layer, x, call)[1]
        ctx.kept = None
        dx, gradients = run_backward(layer, x, call, kept, grad)
        return dx, None, None, None, *gradients


def _picked(x: Tensor, call: Call) -> Tensor:
    return x if call.only is None else x.index_select(0, call.only)


def _spread(x: Tensor, call: Call, n: int) -> Tensor:
    """x (m, width) back in its places among n, zeros elsewhere."""
    if call.only is None:
        return x
    return x.new_zeros((n, x.shape[1])).index_copy_(0, call.only, x)


def _heads(layer: DecoderLayer, qkv: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """q (n, heads, d), k and v (n, kv_heads, d): views."""
    heads = qkv.unflatten(1, (-1, batch.cos.shape[-1]))
    return heads.split([layer.heads, layer.kv_heads, layer.kv_heads], 1)


def _whole(first_columns: Tensor, projection: Projection) -> Tensor:
    """The buffer whose first columns these are."""
    return first_columns.as_strided((len(first_columns), projection.width), first_columns.stride())


def _room(like: Tensor, further: int) -> Tensor:
    """An unfilled tensor like `like`, with `further` columns behind it in memory."""
    whole = torch.empty((like.shape[0], like.shape[1] + further), device=like.device, dtype=like.dtype)
    return whole[:, : like.shape[1]]


def _with_room(x: Tensor, further: int) -> Tensor:
    """x with `further` columns behind it; not copied where `_room` made it, as the layer above does."""
    width = x.shape[1] + further
    there = x.untyped_storage().nbytes() // x.element_size() - x.storage_offset()
    if x.stride() != (width, 1) or there < len(x) * width:
        x = _room(x, further).copy_(x)
    return x.as_strided((len(x), width), (width, 1))


def _dropped(layer: DecoderLayer, x: Tensor, seed: int) -> Tensor | None:
    """What the adapters read in place of x, where that is another."""
    return ops(x.device.type).dropout(x, layer.dropout, seed) if layer.dropout else None
