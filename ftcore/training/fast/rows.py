"""Attention within rows that lie one behind the other, by their lengths: causal, no mask, no padding."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ftcore.training.fast.sequence import SequenceGroup

aten = torch.ops.aten

CUDNN_HEAD = 128
"""Largest head that cuDNN's backward pass takes on every card since sm_80."""


@dataclass(frozen=True, slots=True)
class Rows:
    """How n tokens divide into rows."""

    lengths: tuple[int, ...]
    starts: Tensor
    """int32 (rows + 1,), on the device: where each begins, and n."""

    full: bool
    """Every row has the longest length there can be, so that the same shape comes again and again."""

    group: SequenceGroup | None = None
    """Ranks that these rows' tokens are divided among."""

    @property
    def longest(self) -> int:
        return max(self.lengths)


@dataclass(frozen=True, slots=True)
class Kept:
    """What attention's backward pass needs: of this rank's tokens, or, where ranks share rows, of all tokens
    and this rank's heads."""

    q: Tensor
    k: Tensor
    v: Tensor
    out: Tensor
    further: tuple[Any, ...]


def rows(lengths: list[int], starts: Tensor, max_length: int, group: SequenceGroup | None = None) -> Rows:
    """Rows of the given lengths, in order, `starts` as in Rows."""
    return Rows(tuple(lengths), starts, set(lengths) == {max_length}, group)


def attend(q: Tensor, k: Tensor, v: Tensor, by: Rows) -> tuple[Tensor, Kept]:
    """(output (n, heads, d), what `attend_backward` needs); q (n, heads, d), k and v (n, fewer heads, d), of
    this rank's tokens."""
    if by.group is not None:
        q, k, v = (by.group.to_heads(each) for each in (q, k, v))
    out, further = _attend(q, k, v, by)
    kept = Kept(q, k, v, out, further)
    return (out if by.group is None else by.group.to_tokens(out)), kept


def attend_backward(grad: Tensor, kept: Kept, by: Rows) -> tuple[Tensor, ...]:
    """Gradients of q, k and v, of the shapes that `attend` was given."""
    if by.group is None:
        return _attend_backward(grad, kept, by)
    found = _attend_backward(by.group.to_heads(grad), kept, by)
    return tuple(by.group.to_tokens(each) for each in found)


def _attend(q: Tensor, k: Tensor, v: Tensor, by: Rows) -> tuple[Tensor, tuple[Any, ...]]:
    """One full row after another goes to cuDNN, on an H100 twice as fast as flash attention; it plans anew
    for every shape (50 ms, torch 2.11), so rows of any length go to flash attention, which takes lengths as
    data."""
    if not q.is_cuda:
        return _plain(q, k, v, by).detach(), ()
    if _cudnn(q, by):
        out = aten._scaled_dot_product_cudnn_attention(
            *(_dense(each, by) for each in (q, k, v)), None, True, 0.0, True, False
        )
        return out[0].transpose(1, 2).reshape(q.shape), (out[1], *out[6:8])
    out = aten._flash_attention_forward(
        q, k, v, by.starts, by.starts, by.longest, by.longest, 0.0, True, False
    )
    return out[0], out[1:4]


def _attend_backward(grad: Tensor, kept: Kept, by: Rows) -> tuple[Tensor, ...]:
    q, k, v, out, further = kept.q, kept.k, kept.v, kept.out, kept.further
    if not q.is_cuda:
        with torch.enable_grad():
            inputs = [each.detach().requires_grad_() for each in (q, k, v)]
            return torch.autograd.grad(_plain(*inputs, by), inputs, grad)
    if _cudnn(q, by):
        longest = by.longest
        found = aten._scaled_dot_product_cudnn_attention_backward(
            *(_dense(each, by) for each in (grad, q, k, v, out)), *further, None, None, None, longest,
            longest, 0.0, True,
        )  # fmt: skip
        return tuple(one.transpose(1, 2).reshape(to.shape) for one, to in zip(found, (q, k, v), strict=True))
    return aten._flash_attention_backward(
        grad, q, k, v, out, further[0], by.starts, by.starts, by.longest, by.longest, 0.0, True, *further[1:]
    )


def _cudnn(q: Tensor, by: Rows) -> bool:
    return (
        by.full
        and q.shape[-1] <= CUDNN_HEAD
        and torch.version.hip is None
        and not torch.are_deterministic_algorithms_enabled()
    )


def _dense(x: Tensor, by: Rows) -> Tensor:
    return x.unflatten(0, (len(by.lengths), by.longest)).transpose(1, 2)


def _plain(q: Tensor, k: Tensor, v: Tensor, by: Rows) -> Tensor:
    parts = [each.transpose(0, 1).split(by.lengths, 1) for each in (q, k, v)]
    done = [
        F.scaled_dot_product_attention(*(part[None] for part in row), is_causal=True, enable_gqa=True)[0]
        for row in zip(*parts, strict=True)
    ]
    return torch.cat(done, 1).transpose(0, 1)
