"""The Triton kernels against plain PyTorch, and a two-layer model's gradients on a GPU."""

import pytest
import torch

from ftcore.training.fast import plain
from ftcore.training.fast.plain import Low
from ftcore.training.fast.rows import attend, attend_backward, rows
from tests.fixtures.fast import gradients, micro_batch, model, step, stock_loss

if torch.cuda.is_available():
    from ftcore.training.fast import triton_ops

pytestmark = pytest.mark.gpu

BF16 = torch.bfloat16


def random(*shape, dtype=BF16, seed=0):
    torch.manual_seed(seed)
    return torch.randn(*shape, device="cuda").to(dtype)


def close(ours, theirs, tolerance=1e-2):
    difference = (ours.float() - theirs.float()).abs().max()
    assert difference <= tolerance * theirs.float().abs().max()


def in_a_wider(n, h, further=64):
    return torch.empty(n, h + further, device="cuda", dtype=BF16)[:, :h]


@pytest.mark.parametrize("h", [48, 576, 4096, 5000])
def test_rms_norm(h):
    x, weight, add, grad, residual = (
        random(33, h),
        random(h),
        random(33, h, seed=1),
        random(33, h, seed=2),
        random(33, h, seed=3),
    )
    ours, theirs = x.clone(), x.clone()
    out, rstd = triton_ops.rms_norm(ours, weight, 1e-5, in_a_wider(33, h), add=add)
    expected, wanted = plain.rms_norm(theirs, weight, 1e-5, torch.empty_like(x), add=add)
    close(ours, theirs), close(out, expected), close(rstd, wanted, 1e-5)
    got = triton_ops.rms_norm_backward(grad, ours, weight, rstd, residual, in_a_wider(33, h))
    for one, other in zip(
        got, plain.rms_norm_backward(grad, theirs, weight, wanted, residual, torch.empty_like(x)), strict=True
    ):
        close(one, other)


@pytest.mark.parametrize(("heads", "kv", "d"), [(32, 8, 128), (9, 3, 64), (14, 2, 64), (6, 2, 80)])
def test_rotate(heads, kv, d):
    qkv, cos, sin = random(37, (heads + 2 * kv) * d), random(37, d, seed=1), random(37, d, seed=2)
    ours = triton_ops.rotate_(qkv.clone(), cos, sin, heads + kv)
    close(ours, plain.rotate_(qkv.clone(), cos, sin, heads + kv))
    assert torch.equal(ours[:, (heads + kv) * d :], qkv[:, (heads + kv) * d :])
    parts = qkv.unflatten(1, (-1, d)).split([heads, kv, kv], 1)
    close(triton_ops.rotate_back(*parts, cos, sin), plain.rotate_back(*parts, cos, sin))


@pytest.mark.parametrize("i", [80, 1536, 14336])
def test_swiglu(i):
    gate_up, grad = random(19, 2 * i), random(19, i, seed=1)
    close(triton_ops.swiglu(gate_up, in_a_wider(19, i)), plain.swiglu(gate_up, torch.empty_like(grad)))
    for one, other in zip(
        triton_ops.swiglu_backward(grad, gate_up), plain.swiglu_backward(grad, gate_up), strict=True
    ):
        close(one, other)


@pytest.mark.parametrize(("i", "ranks"), [(80, (5, 5, 5)), (1536, (64, 8, 32)), (14336, (64, 64, 64))])
def test_swiglu_with_what_adapters_add(i, ranks):
    gate_up, grad, low = random(150, 2 * i), random(150, i, seed=1), random(150, 256, seed=2)
    ups = [random(r, i, seed=3 + n) * 0.1 for n, r in enumerate(ranks)]
    *more, last = (Low(low[:, 9 : 9 + r], up.T.contiguous().T) for r, up in zip(ranks, ups, strict=True))
    ours = triton_ops.swiglu(gate_up, in_a_wider(150, i), tuple(more))
    close(ours, plain.swiglu(gate_up, torch.empty_like(grad), tuple(more)))
    for added in (last, None):
        found = triton_ops.swiglu_backward(grad, gate_up, tuple(more), added)
        for one, other in zip(found, plain.swiglu_backward(grad, gate_up, tuple(more), added), strict=True):
            close(one, other)


@pytest.mark.parametrize("size", [97, 49152, 128256])
def test_cross_entropy(size):
    logits = random(21, size) * 4
    targets = torch.randint(size, (21,), device="cuda")
    ours, theirs = logits.clone(), logits.clone()
    close(triton_ops.cross_entropy_(ours, targets), plain.cross_entropy_(theirs, targets), 1e-4)
    close(ours, theirs)


def test_quantise_and_multiply():
    x, w = random(64, 512) * 3, random(96, 512, seed=1)
    for one, other in zip(triton_ops.quantise(x), plain.quantise(x), strict=True):
        close(one, other, 0.07)
    ours = triton_ops.scaled_mm(*triton_ops.quantise(x), *triton_ops.quantise(w), BF16)
    exact = x.float() @ w.float().T
    assert (ours.float() - exact).norm() < 0.05 * exact.norm()


def test_dropout_is_the_same_for_a_seed_and_keeps_the_mean():
    x = torch.ones(256, 1000, device="cuda", dtype=BF16)
    one = triton_ops.dropout(x, 0.3, 7)
    assert torch.equal(one, triton_ops.dropout(x, 0.3, 7)) and not torch.equal(
        one, triton_ops.dropout(x, 0.3, 8)
    )
    assert abs(one.float().mean() - 1) < 0.01 and abs((one == 0).float().mean() - 0.3) < 0.01
    added = triton_ops.dropout(x, 0.3, 7, add_to=torch.ones_like(x))
    close(added, one + 1)


@pytest.mark.parametrize("lengths", [[64], [64, 64], [64, 1, 40, 23], [100]])
@pytest.mark.parametrize(("heads", "kv", "d"), [(8, 2, 128), (9, 3, 64)])
def test_attention_by_rows(lengths, heads, kv, d):
    n = sum(lengths)
    qkv, grad = random(n, (heads + 2 * kv) * d), random(n, heads, d, seed=1)
    q, k, v = qkv.unflatten(1, (-1, d)).split([heads, kv, kv], 1)
    starts = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    by = rows(lengths, starts.cuda(), 64)
    out, kept = attend(q, k, v, by)
    found = attend_backward(grad, kept, by)
    alone = rows(lengths, starts, 64)
    expected, wide = attend(*(each.float().cpu() for each in (q, k, v)), alone)
    close(out.cpu(), expected)
    for one, other in zip(found, attend_backward(grad.float().cpu(), wide, alone), strict=True):
        close(one.cpu(), other, 2e-2)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("stated", [{}, {"recompute": 1}, {"layers": False}, {"fp8": True}, {"loss": False}])
def test_every_gradient_against_fp32(family, stated):
    """bf16 on the GPU against eager fp32: as near as transformers' own bf16 comes, or nearer."""
    sizes = {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4, "head_dim": 64}
    data = micro_batch([64, 40, 24], device="cuda")
    exact = model(family, device="cuda", rank=8, **sizes)
    wanted = gradients(exact, stock_loss(exact, data))
    theirs = model(family, device="cuda", rank=8, dtype=BF16, **sizes)
    with torch.autocast("cuda", dtype=BF16):
        loss = stock_loss(theirs, data)
    stock = gradients(theirs, loss)
    mine = model(family, device="cuda", rank=8, dtype=BF16, **sizes)
    mine_grads = gradients(mine, step(mine, dtype=BF16, **stated).loss(data))
    if stated.get("fp8"):
        # Three bits of mantissa: right as a whole, while what is next to nothing is mostly noise.
        assert distance(mine_grads, wanted) < 0.1
        return
    for name, exact_grad in wanted.items():
        limit = 1.5 * (stock[name] - exact_grad).norm() / exact_grad.norm() + 5e-3
        assert (mine_grads[name] - exact_grad).norm() / exact_grad.norm() < limit, name


def distance(ours, theirs):
    """Of all gradients as one vector, as a share of its length."""
    return (
        sum((ours[name] - theirs[name]).square().sum() for name in theirs)
        / sum(each.square().sum() for each in theirs.values())
    ).sqrt()
