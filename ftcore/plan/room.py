"""What a plan and the worker must count alike, to agree on how many layers are computed again."""

from typing import Protocol

ALIGN = 64
"""Columns that the adapters of fused layers are filled up to: products over odd widths are slow."""

CHUNK_BYTES = 512 * 2**20
"""Of logits that the fused loss holds at once. The head's weight is read twice a chunk, so that small ones
cost more than they save: at 128,256 x 4,096 a chunk of 64 rows, as Liger's rule picks for 1,600 of them,
reads 50 GB for what 2,000 rows read 2 GB for."""

SPARE = 0.06
"""Share of the card left alone: the allocator's own waste, cuBLAS's and NCCL's buffers."""


class Kept(Protocol):
    """Bytes that a layer keeps for its backward pass."""

    @property
    def kept(self) -> int:
        """When it is not computed again."""

    @property
    def again(self) -> int:
        """When it is."""


def working(tokens: int, size: int, hidden: int, intermediate: int) -> int:
    """Bytes in use at once beside what is kept, at `size` bytes an element: gate and up with their gradients,
    the MLP's product, and a chunk of logits with its hidden states."""
    return tokens * size * (2 * 2 * intermediate + 2 * intermediate + 4 * hidden) + CHUNK_BYTES


def for_activations(free: int, card: int, trained: int) -> int:
    """Of `free` bytes of a card of `card`, those that activations may take: less SPARE, fp32 gradients and
    AdamW's two moments of `trained` parameters."""
    return free - int(SPARE * card) - 12 * trained


def fewest(room: int, layers: int, one: Kept) -> int:
    """Layers to compute again so that all fit into `room` bytes; all of them where none would."""
    for count in range(layers):
        if count * one.again + (layers - count) * one.kept <= room:
            return count
    return layers
