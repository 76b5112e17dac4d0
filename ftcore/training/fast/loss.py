"""Cross-entropy of a linear head over labelled positions alone, never holding all of their logits."""

from typing import Any

import torch
from torch import Tensor

from ftcore.plan.room import CHUNK_BYTES
from ftcore.training.fast.ops import mm32, ops


class LinearCrossEntropy(torch.autograd.Function):
    """Mean loss of `hidden` (m, h) @ `weight` (vocabulary, h).T against `targets` (m,), fp32, of no shape.

    Both gradients come out of the forward pass, chunk by chunk, while the logits are there. They are those
    of the sum: divided by m only where they are scaled anyway, since 1 / m of a probability is nothing in
    fp16.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        step, ctx.dtype = ops(hidden.device.type), weight.dtype
        m = len(hidden)
        rows = max(1, CHUNK_BYTES // (weight.shape[0] * hidden.element_size()))
        d_hidden = torch.empty_like(hidden)
        d_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        losses = []
        for at in range(0, m, rows):
            part = hidden[at : at + rows]
            logits = part @ weight.T
            losses.append(step.cross_entropy_(logits, targets[at : at + rows]))
            torch.mm(logits, weight, out=d_hidden[at : at + rows])
            if d_weight is not None:
                d_weight += mm32(logits.T, part)
            del logits
        ctx.save_for_backward(d_hidden, d_weight)
        return torch.cat(losses).mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight = ctx.saved_tensors
        share = grad / len(d_hidden)
        return d_hidden * share, None if d_weight is None else (d_weight * share).to(ctx.dtype), None


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """`LinearCrossEntropy` of at least one row, both in autocast's type where that is on, else the row's.

    Of fp32 rows (full fine-tuning, qlora) autocast makes 16-bit logits, as of any linear layer; left on
    inside, it would not let the products be written into a tensor of the rows' own type.
    """
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        hidden = hidden.to(torch.get_autocast_dtype(device))
    with torch.autocast(device, enabled=False):
        return LinearCrossEntropy.apply(hidden, weight.to(hidden.dtype), targets)
