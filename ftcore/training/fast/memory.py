"""How many layers' activations a card has room for."""

from typing import NamedTuple

import torch

from ftcore.plan.room import fewest, for_activations, working
from ftcore.training.fast.layer import DecoderLayer


class Kept(NamedTuple):
    """`ftcore.plan.room.Kept`, of a layer on its card."""

    kept: int
    again: int


def kept_bytes(layer: DecoderLayer, tokens: int, size: int, shared: bool = False) -> Kept:
    """Bytes that a layer keeps for its backward pass when it is not computed again, and when it is. `shared`
    rows: attention's output is there by heads too."""
    hidden, attended = layer.qkv.inputs, layer.o.inputs
    low = sum(each.rank for each in layer.projections)
    again = tokens * hidden * size
    fp32 = 4 * tokens * (2 + layer.heads)
    by_heads = attended if shared else 0
    all_of_it = hidden + layer.qkv.outputs + attended + by_heads + hidden + layer.gate_up.outputs + low
    return Kept(tokens * size * all_of_it + fp32, again)


def working_bytes(layer: DecoderLayer, tokens: int, size: int) -> int:
    """Bytes in use at once beside what is kept."""
    return working(tokens, size, layer.qkv.inputs, layer.down.inputs)


def to_recompute(room: int, layers: list[DecoderLayer], tokens: int, size: int, shared: bool = False) -> int:
    """The fewest layers to compute again so that all fit into `room` bytes; all of them where none would."""
    left = room - working_bytes(layers[0], tokens, size)
    return fewest(left, len(layers), kept_bytes(layers[0], tokens, size, shared))


def room(trained: int) -> int:
    """Bytes of this card that activations may take before training begins: what is free, less fp32
    gradients and AdamW's two moments of `trained` parameters."""
    free, total = torch.cuda.mem_get_info()
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return for_activations(free + unused, total, trained)
