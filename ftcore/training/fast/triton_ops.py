"""The memory-bound steps of a decoder layer as Triton kernels; `plain` says what each does."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ftcore.training.fast.plain import FP8, FP8_MAX, SMALLEST, Low, Pair

MOST_IN_A_BLOCK = 16_384
TILE = 64


def _warps(block: int) -> int:
    return min(16, max(4, block // 512))


@triton.jit
def _rms_norm(
    x, x_row, add, add_row, weight, out, out_row, rstd, eps, h, ADD: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    here = at < h
    narrow = tl.load(x + row * x_row + at, mask=here, other=0.0)
    if ADD:
        more = tl.load(add + row * add_row + at, mask=here, other=0.0).to(tl.float32)
        narrow = (narrow.to(tl.float32) + more).to(narrow.dtype)
        tl.store(x + row * x_row + at, narrow, mask=here)
    wide = narrow.to(tl.float32)
    inverse = tl.rsqrt(tl.sum(wide * wide) / h + eps)
    tl.store(rstd + row, inverse)
    scaled = (wide * inverse).to(narrow.dtype).to(tl.float32)
    w = tl.load(weight + at, mask=here, other=0.0).to(tl.float32)
    tl.store(out + row * out_row + at, w * scaled, mask=here)


def rms_norm(x: Tensor, weight: Tensor, eps: float, out: Tensor, add: Tensor | None = None) -> Pair:
    n, h = x.shape
    rstd = torch.empty(n, device=x.device, dtype=torch.float32)
    block, more = triton.next_power_of_2(h), x if add is None else add
    _rms_norm[(n,)](
        x, x.stride(0), more, more.stride(0), weight, out, out.stride(0), rstd, eps, h, ADD=add is not None,
        BLOCK=block, num_warps=_warps(block),
    )  # fmt: skip
    return out, rstd


@triton.jit
def _rms_norm_backward(
    grad, grad_row, x, x_row, weight, rstd, residual, residual_row, out, out_row, normed, h,
    BLOCK: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    here = at < h
    narrow = tl.load(x + row * x_row + at, mask=here, other=0.0)
    inverse = tl.load(rstd + row)
    scaled = narrow.to(tl.float32) * inverse
    w = tl.load(weight + at, mask=here, other=0.0).to(tl.float32)
    inner = tl.load(grad + row * grad_row + at, mask=here, other=0.0).to(tl.float32) * w
    mean = tl.sum(inner * scaled) / h
    kept = tl.load(residual + row * residual_row + at, mask=here, other=0.0).to(tl.float32)
    tl.store(out + row * out_row + at, inverse * (inner - scaled * mean) + kept, mask=here)
    tl.store(normed + row * h + at, w * scaled.to(narrow.dtype).to(tl.float32), mask=here)


def rms_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor, rstd: Tensor, residual: Tensor, out: Tensor
) -> Pair:
    n, h = x.shape
    normed = torch.empty((n, h), device=x.device, dtype=x.dtype)
    block = triton.next_power_of_2(h)
    _rms_norm_backward[(n,)](
        grad, grad.stride(0), x, x.stride(0), weight, rstd, residual, residual.stride(0), out, out.stride(0),
        normed, h, BLOCK=block, num_warps=_warps(block),
    )  # fmt: skip
    return out, normed


@triton.jit
def _turn(
    x, x_row, to, to_row, cos, sin, row, heads, D: tl.constexpr, HEADS: tl.constexpr, HALF: tl.constexpr,
    BACK: tl.constexpr,
):  # fmt: skip
    """`heads` heads of one row, from x to `to`."""
    at = tl.arange(0, HALF)
    half = at < D // 2
    head = tl.arange(0, HEADS)
    here = (head < heads)[:, None] & half[None, :]
    place = head[:, None] * D + at[None, :]
    one = tl.load(x + row * x_row + place, mask=here, other=0.0).to(tl.float32)
    two = tl.load(x + row * x_row + place + D // 2, mask=here, other=0.0).to(tl.float32)
    cos_one = tl.load(cos + row * D + at, mask=half, other=0.0).to(tl.float32)[None, :]
    cos_two = tl.load(cos + row * D + D // 2 + at, mask=half, other=0.0).to(tl.float32)[None, :]
    sin_one = tl.load(sin + row * D + at, mask=half, other=0.0).to(tl.float32)[None, :]
    sin_two = tl.load(sin + row * D + D // 2 + at, mask=half, other=0.0).to(tl.float32)[None, :]
    if BACK:
        tl.store(to + row * to_row + place, one * cos_one + two * sin_two, mask=here)
        tl.store(to + row * to_row + place + D // 2, two * cos_two - one * sin_one, mask=here)
    else:
        tl.store(to + row * to_row + place, one * cos_one - two * sin_one, mask=here)
        tl.store(to + row * to_row + place + D // 2, two * cos_two + one * sin_two, mask=here)


@triton.jit
def _rotate(qkv, qkv_row, cos, sin, heads, D: tl.constexpr, HEADS: tl.constexpr, HALF: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    _turn(qkv, qkv_row, qkv, qkv_row, cos, sin, row, heads, D, HEADS, HALF, False)


def rotate_(qkv: Tensor, cos: Tensor, sin: Tensor, heads: int) -> Tensor:
    d = cos.shape[-1]
    _rotate[(len(qkv),)](
        qkv, qkv.stride(0), cos, sin, heads, D=d, HEADS=triton.next_power_of_2(heads),
        HALF=triton.next_power_of_2(d // 2), num_warps=4,
    )  # fmt: skip
    return qkv


@triton.jit
def _rotate_back(
    dq, dk, dv, to, to_row, cos, sin, heads, kv_heads, D: tl.constexpr, HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr, HALF: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    keys, values = to + heads * D, to + (heads + kv_heads) * D
    _turn(dq, heads * D, to, to_row, cos, sin, row, heads, D, HEADS, HALF, True)
    _turn(dk, kv_heads * D, keys, to_row, cos, sin, row, kv_heads, D, KV_HEADS, HALF, True)
    at = tl.arange(0, VALUES)
    here = at < kv_heads * D
    tl.store(values + row * to_row + at, tl.load(dv + row * kv_heads * D + at, mask=here), mask=here)


def rotate_back(dq: Tensor, dk: Tensor, dv: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    dq, dk, dv = (each.contiguous() for each in (dq, dk, dv))
    (n, heads, d), kv_heads = dq.shape, dk.shape[1]
    out = torch.empty((n, (heads + 2 * kv_heads) * d), device=dq.device, dtype=dq.dtype)
    _rotate_back[(n,)](
        dq, dk, dv, out, out.stride(0), cos, sin, heads, kv_heads, D=d,
        HEADS=triton.next_power_of_2(heads), KV_HEADS=triton.next_power_of_2(kv_heads),
        HALF=triton.next_power_of_2(d // 2), VALUES=triton.next_power_of_2(kv_heads * d), num_warps=4,
    )  # fmt: skip
    return out


@triton.jit
def _swiglu(gate_up, out, out_row, i, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    here = at < i
    gate = tl.load(gate_up + row * 2 * i + at, mask=here, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * i + i + at, mask=here, other=0.0).to(tl.float32)
    tl.store(out + row * out_row + at, gate * tl.sigmoid(gate) * up, mask=here)


@triton.jit
def _added(low, low_row, up, up_k, up_col, rows, cols, n, i, r, R: tl.constexpr):
    """A tile of low @ up, fp32."""
    k = tl.arange(0, R)
    left = low + rows[:, None] * low_row + k[None, :]
    right = up + k[:, None] * up_k + cols[None, :] * up_col
    a = tl.load(left, mask=(rows < n)[:, None] & (k < r)[None, :], other=0.0)
    b = tl.load(right, mask=(k < r)[:, None] & (cols < i)[None, :], other=0.0)
    return tl.dot(a, b)


@triton.jit
def _swiglu_adapted(
    gate_up, out, out_row, n, i, gate_low, gate_low_row, gate_b, gate_k, gate_col, gate_r, up_low,
    up_low_row, up_b, up_k, up_col, up_r, R: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    # Programs beside each other share what they read of the adapters.
    rows = (tl.program_id(1) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    cols = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    here = (rows < n)[:, None] & (cols < i)[None, :]
    both = gate_up + rows[:, None] * 2 * i + cols[None, :]
    gate = tl.load(both, mask=here, other=0.0).to(tl.float32)
    up = tl.load(both + i, mask=here, other=0.0).to(tl.float32)
    gate += _added(gate_low, gate_low_row, gate_b, gate_k, gate_col, rows, cols, n, i, gate_r, R)
    up += _added(up_low, up_low_row, up_b, up_k, up_col, rows, cols, n, i, up_r, R)
    tl.store(out + rows[:, None] * out_row + cols[None, :], gate * tl.sigmoid(gate) * up, mask=here)


def swiglu(gate_up: Tensor, out: Tensor, more: tuple[Low, Low] | None = None) -> Tensor:
    n, i = gate_up.shape[0], gate_up.shape[1] // 2
    if more is None:
        block = min(2048, triton.next_power_of_2(i))
        _swiglu[(n, triton.cdiv(i, block))](gate_up, out, out.stride(0), i, BLOCK=block, num_warps=4)
        return out
    grid = (triton.cdiv(i, TILE), triton.cdiv(n, TILE))
    _swiglu_adapted[grid](
        gate_up, out, out.stride(0), n, i, *_low(more[0]), *_low(more[1]), R=_width(*more), ROWS=TILE,
        COLUMNS=TILE, num_warps=8,
    )  # fmt: skip
    return out


@triton.jit
def _swiglu_gradient(gate, up, wide):
    sigmoid = tl.sigmoid(gate)
    silu = gate * sigmoid
    return wide * up * (sigmoid + silu * (1 - sigmoid)), wide * silu, silu * up


@triton.jit
def _swiglu_backward(grad, grad_row, gate_up, down, product, i, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    here = at < i
    both = row * 2 * i + at
    gate = tl.load(gate_up + both, mask=here, other=0.0).to(tl.float32)
    up = tl.load(gate_up + both + i, mask=here, other=0.0).to(tl.float32)
    wide = tl.load(grad + row * grad_row + at, mask=here, other=0.0).to(tl.float32)
    d_gate, d_up, again = _swiglu_gradient(gate, up, wide)
    tl.store(down + both, d_gate, mask=here)
    tl.store(down + both + i, d_up, mask=here)
    tl.store(product + row * i + at, again, mask=here)


@triton.jit
def _swiglu_backward_adapted(
    grad, grad_row, gate_up, down, product, n, i, gate_low, gate_low_row, gate_b, gate_k, gate_col, gate_r,
    up_low, up_low_row, up_b, up_k, up_col, up_r, grad_low, grad_low_row, grad_a, grad_k, grad_col, grad_r,
    R: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows = (tl.program_id(1) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    cols = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    here = (rows < n)[:, None] & (cols < i)[None, :]
    both = rows[:, None] * 2 * i + cols[None, :]
    gate = tl.load(gate_up + both, mask=here, other=0.0).to(tl.float32)
    up = tl.load(gate_up + both + i, mask=here, other=0.0).to(tl.float32)
    wide = tl.load(grad + rows[:, None] * grad_row + cols[None, :], mask=here, other=0.0).to(tl.float32)
    gate += _added(gate_low, gate_low_row, gate_b, gate_k, gate_col, rows, cols, n, i, gate_r, R)
    up += _added(up_low, up_low_row, up_b, up_k, up_col, rows, cols, n, i, up_r, R)
    wide += _added(grad_low, grad_low_row, grad_a, grad_k, grad_col, rows, cols, n, i, grad_r, R)
    d_gate, d_up, again = _swiglu_gradient(gate, up, wide)
    tl.store(down + both, d_gate, mask=here)
    tl.store(down + both + i, d_up, mask=here)
    tl.store(product + rows[:, None] * i + cols[None, :], again, mask=here)


def swiglu_backward(
    grad: Tensor, gate_up: Tensor, more: tuple[Low, Low] | None = None, more_grad: Low | None = None
) -> Pair:
    n, i = gate_up.shape[0], gate_up.shape[1] // 2
    down = torch.empty_like(gate_up)
    product = torch.empty((n, i), device=gate_up.device, dtype=gate_up.dtype)
    if more is None:
        if more_grad is not None:
            grad = grad.addmm_(more_grad.low, more_grad.up)
        block = min(2048, triton.next_power_of_2(i))
        _swiglu_backward[(n, triton.cdiv(i, block))](
            grad, grad.stride(0), gate_up, down, product, i, BLOCK=block, num_warps=4
        )
        return down, product
    last = more_grad if more_grad is not None else Low(more[0].low[:, :0], more[0].up[:0])
    grid = (triton.cdiv(i, TILE), triton.cdiv(n, TILE))
    _swiglu_backward_adapted[grid](
        grad, grad.stride(0), gate_up, down, product, n, i, *_low(more[0]), *_low(more[1]), *_low(last),
        R=_width(*more, last), ROWS=TILE, COLUMNS=TILE, num_warps=4,
    )  # fmt: skip
    return down, product


def _low(more: Low) -> tuple[Tensor, int, Tensor, int, int, int]:
    return more.low, more.low.stride(0), more.up, *more.up.stride(), more.low.shape[1]


def _width(*more: Low) -> int:
    """Of the product's inner side in a kernel: tensor cores take no less than 16."""
    return max(16, *(triton.next_power_of_2(max(1, each.low.shape[1])) for each in more))


@triton.jit
def _dropout(x, x_row, out, out_row, share, seed, k, ADD: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    here = at < k
    kept = tl.rand(seed, row * k + at) >= share
    value = tl.load(x + row * x_row + at, mask=here, other=0.0).to(tl.float32)
    value = tl.where(kept, value / (1 - share), 0.0)
    if ADD:
        value += tl.load(out + row * out_row + at, mask=here, other=0.0).to(tl.float32)
    tl.store(out + row * out_row + at, value, mask=here)


def dropout(x: Tensor, share: float, seed: int, add_to: Tensor | None = None) -> Tensor:
    n, k = x.shape
    out = torch.empty((n, k), device=x.device, dtype=x.dtype) if add_to is None else add_to
    block = min(1024, triton.next_power_of_2(k))
    _dropout[(n, triton.cdiv(k, block))](
        x, x.stride(0), out, out.stride(0), share, seed, k, ADD=add_to is not None, BLOCK=block, num_warps=4
    )
    return out


@triton.jit
def _cross_entropy(logits, row_stride, targets, loss, size, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    mine = logits + row * row_stride
    target = tl.load(targets + row)
    aimed = tl.load(mine + target).to(tl.float32)
    most = float("-inf")
    total = 0.0
    for start in range(0, size, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(mine + at, mask=at < size, other=float("-inf")).to(tl.float32)
        higher = tl.maximum(most, tl.max(value))
        total = total * tl.exp(most - higher) + tl.sum(tl.exp(value - higher))
        most = higher
    tl.store(loss + row, most + tl.log(total) - aimed)
    # Every thread has read what it needs of the target's logit before any is overwritten.
    tl.debug_barrier()
    for start in range(0, size, BLOCK):
        at = start + tl.arange(0, BLOCK)
        value = tl.load(mine + at, mask=at < size, other=float("-inf")).to(tl.float32)
        share = tl.exp(value - most) / total
        tl.store(mine + at, share - tl.where(at == target, 1.0, 0.0), mask=at < size)


def cross_entropy_(logits: Tensor, targets: Tensor) -> Tensor:
    n, size = logits.shape
    loss = torch.empty(n, device=logits.device, dtype=torch.float32)
    block = min(MOST_IN_A_BLOCK, triton.next_power_of_2(size))
    _cross_entropy[(n,)](logits, logits.stride(0), targets, loss, size, BLOCK=block, num_warps=_warps(block))
    return loss


@triton.jit
def _quantise(x, x_row, out, scales, k, LARGEST: tl.constexpr, LEAST: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    here = at < k
    value = tl.load(x + row * x_row + at, mask=here, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(value)), LEAST) / LARGEST
    tl.store(scales + row, scale)
    small = tl.minimum(tl.maximum(value / scale, -LARGEST), LARGEST)
    tl.store(out + row * k + at, small.to(out.dtype.element_ty), mask=here)


def quantise(x: Tensor) -> Pair:
    n, k = x.shape
    out = torch.empty((n, k), device=x.device, dtype=FP8)
    scales = torch.empty((n, 1), device=x.device, dtype=torch.float32)
    block = triton.next_power_of_2(k)
    _quantise[(n,)](
        x, x.stride(0), out, scales, k, LARGEST=FP8_MAX, LEAST=SMALLEST, BLOCK=block,
        num_warps=_warps(block),
    )  # fmt: skip
    return out, scales


def scaled_mm(x: Tensor, x_scale: Tensor, w: Tensor, w_scale: Tensor, dtype: torch.dtype) -> Tensor:
    return torch._scaled_mm(x, w.t(), x_scale, w_scale.t(), out_dtype=dtype, use_fast_accum=True)
