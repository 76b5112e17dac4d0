"""What `triton_ops` does, in plain PyTorch: for devices without Triton, and to check it against.

Shapes: n tokens, h hidden, all two-dimensional; `out` arguments are written, may have any row stride, and
are what is returned. Sums are taken in fp32, results rounded once.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Pair = tuple[Tensor, Tensor]


def rms_norm(x: Tensor, weight: Tensor, eps: float, out: Tensor, add: Tensor | None = None) -> Pair:
    """(out, rstd): weight * x / rms(x), rounded before the weight as transformers does; rstd fp32 (n,).

    With `add` that is added to x first, in place.
    """
    if add is not None:
        x.add_(add)
    wide = x.float()
    rstd = torch.rsqrt(wide.square().mean(-1) + eps)
    out.copy_(weight * (wide * rstd[:, None]).to(x.dtype))
    return out, rstd


def rms_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, rstd: Tensor, residual: Tensor, out: Tensor
) -> Pair:
    """(out, normed): the gradient of x, `residual` added to it; and the norm's output again."""
    scaled = x.float() * rstd[:, None]
    inner = grad.float() * weight.float()
    mean = (inner * scaled).mean(-1, keepdim=True)
    out.copy_(rstd[:, None] * (inner - scaled * mean) + residual.float())
    return out, weight * scaled.to(x.dtype)


def rotate_(qkv: Tensor, cos: Tensor, sin: Tensor, heads: int) -> Tensor:
    """Rotary positions into the first `heads` of all heads in `qkv` (n, heads * d), in place.

    cos and sin (n, d).
    """
    d = cos.shape[-1]
    turned = qkv[:, : heads * d].unflatten(-1, (heads, d))
    wide = turned.float()
    one, two = wide.chunk(2, -1)
    turned.copy_(wide * cos.float()[:, None] + torch.cat((-two, one), -1) * sin.float()[:, None])
    return qkv


def rotate_back(dq: Tensor, dk: Tensor, dv: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The gradient of what `rotate_` was given, (n, all heads * d), of those of q, k, v (n, heads, d)."""

    def back(x: Tensor) -> Tensor:
        wide = x.float()
        (one, two), (sin_one, sin_two) = wide.chunk(2, -1), sin.float()[:, None].chunk(2, -1)
        return (wide * cos.float()[:, None] + torch.cat((two * sin_two, -one * sin_one), -1)).to(x.dtype)

    return torch.cat([back(dq), back(dk), dv], 1).flatten(1)


class Low(NamedTuple):
    """What adapters add to a product, not added yet: `low` (n, r) @ `up` (r, width); `up` may be a view."""

    low: Tensor
    up: Tensor


def swiglu(gate_up: Tensor, out: Tensor, more: tuple[Low, Low] | None = None) -> Tensor:
    """silu(gate) * up of `gate_up` (n, 2 i), into out (n, i); `more` is added to gate and to up first."""
    gate, up = _gate_and_up(gate_up, more)
    return out.copy_(F.silu(gate) * up)


def swiglu_backward(
    grad: Tensor, gate_up: Tensor, more: tuple[Low, Low] | None = None, more_grad: Low | None = None
) -> Pair:
    """(gradient of gate_up, the product again); `more_grad` is added to `grad` (n, i) first."""
    gate, up = _gate_and_up(gate_up, more)
    wide, sigmoid = _with(grad, more_grad), torch.sigmoid(gate)
    silu = gate * sigmoid
    down = torch.cat((wide * up * (sigmoid + silu * (1 - sigmoid)), wide * silu), -1)
    return down.to(gate_up.dtype), (silu * up).to(gate_up.dtype)


def _gate_and_up(gate_up: Tensor, more: tuple[Low, Low] | None) -> Pair:
    return tuple(
        _with(half, low) for half, low in zip(gate_up.chunk(2, -1), more or (None, None), strict=True)
    )


def _with(x: Tensor, more: Low | None) -> Tensor:
    return x.float() if more is None else x.float() + more.low.float() @ more.up.float()


def dropout(x: Tensor, share: float, seed: int, add_to: Tensor | None = None) -> Tensor:
    """x with `share` of its values zeroed, the others scaled up; the same ones for the same seed and shape.

    With `add_to` that is added to it, in place, and returned.
    """
    draw = torch.Generator(x.device).manual_seed(seed)
    kept = torch.rand(x.shape, generator=draw, device=x.device) >= share
    dropped = (x.float() * kept / (1 - share)).to(x.dtype)
    return dropped if add_to is None else add_to.add_(dropped)


def cross_entropy_(logits: Tensor, targets: Tensor) -> Tensor:
    """Loss of each row, fp32 (n,); `logits` (n, vocabulary) become their own gradient of it."""
    wide = logits.float()
    shares = wide.log_softmax(-1)
    loss = -shares.gather(-1, targets[:, None]).squeeze(-1)
    grad = shares.exp()
    grad.scatter_add_(-1, targets[:, None], torch.full_like(targets, -1, dtype=grad.dtype)[:, None])
    logits.copy_(grad)
    return loss


FP8 = torch.float8_e4m3fn
FP8_MAX = 448.0
SMALLEST = 1e-12


def quantise(x: Tensor) -> Pair:
    """(fp8 (n, k), scale fp32 (n, 1)): each row by its own largest value, which becomes 448."""
    wide = x.float()
    scale = wide.abs().amax(-1, keepdim=True).clamp(min=SMALLEST) / FP8_MAX
    return (wide / scale).clamp(-FP8_MAX, FP8_MAX).to(FP8), scale


def scaled_mm(x: Tensor, x_scale: Tensor, w: Tensor, w_scale: Tensor, dtype: torch.dtype) -> Tensor:
    """x (n, k) @ w.T, w (m, k), both fp8 with a scale a row (n, 1), (m, 1)."""
    return ((x.float() * x_scale) @ (w.float() * w_scale).T).to(dtype)
