"""Attention by rows' lengths for transformers' own decoder layers."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from ftcore.training.fast.rows import Kept, Rows, attend, attend_backward

NAME = "ftcore_rows"


class AttendRows(torch.autograd.Function):
    """`attend` and `attend_backward` for autograd."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, by: Rows) -> Tensor:
        out, kept = attend(q, k, v, by)
        # Never in an attribute: an output that its own node holds is not freed.
        ctx.save_for_backward(kept.q, kept.k, kept.v, kept.out)
        ctx.further, ctx.by = kept.further, by
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        kept = Kept(*ctx.saved_tensors, ctx.further)
        return *attend_backward(grad.contiguous(), kept, ctx.by), None


def use(llm: nn.Module) -> None:
    """Let `llm` attend by `rows` wherever its forward pass is given them, and as before elsewhere."""
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    llm.config._attn_implementation = NAME


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    rows: Rows | None = None, **further: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    if rows is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **further)
    flat = [each.transpose(1, 2).flatten(0, 1) for each in (query, key, value)]
    return AttendRows.apply(*flat, rows)[None], None
