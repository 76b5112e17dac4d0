"""One sequence on several ranks: each has a share of its tokens, and attention a share of its heads.

DeepSpeed-Ulysses (Jacobs et al. 2023, arXiv:2309.14509): around attention, tokens are exchanged for heads
and back; everything else is a token's own affair.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SequenceGroup:
    """The ranks that share this rank's sequences."""

    handle: dist.ProcessGroup
    size: int

    def to_heads(self, x: Tensor) -> Tensor:
        """(own tokens, heads, d) -> (all tokens, own heads, d); collective."""
        given = x.unflatten(1, (self.size, -1)).transpose(0, 1).contiguous()
        taken = torch.empty_like(given)
        dist.all_to_all_single(taken, given, group=self.handle)
        return taken.flatten(0, 1)

    def to_tokens(self, x: Tensor) -> Tensor:
        """(all tokens, own heads, d) -> (own tokens, heads, d); collective."""
        given = x.unflatten(0, (self.size, -1)).contiguous()
        taken = torch.empty_like(given)
        dist.all_to_all_single(taken, given, group=self.handle)
        return taken.transpose(0, 1).flatten(1, 2)

    def sum_of(self, loss: Tensor) -> Tensor:
        """The sum of all ranks' losses, on each; collective.

        Its gradient is `size` times the own loss's: gradients are averaged over all ranks, and those of one
        group are parts of one sample's, not samples of their own.
        """
        return _Sum.apply(loss, self)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, of: SequenceGroup) -> Tensor:
        ctx.size = of.size
        total = loss.clone()
        dist.all_reduce(total, group=of.handle)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.size, None


def sequence_group(size: int) -> SequenceGroup | None:
    """This rank's group of `size` ranks that follow each other; None for one rank. Collective over all."""
    if size == 1:
        return None
    mine = dist.get_rank() // size
    handles = [
        dist.new_group(list(range(first, first + size))) for first in range(0, dist.get_world_size(), size)
    ]
    return SequenceGroup(handles[mine], size)
