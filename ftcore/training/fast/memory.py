"""How many layers' activations a card has room for."""

import torch

from ftcore.training.fast.layer import DecoderLayer
from ftcore.training.fast.loss import CHUNK_BYTES

SPARE = 0.06
"""Share of the card left alone: the allocator's own waste, cuBLAS's and NCCL's buffers."""


def kept_bytes(layer: DecoderLayer, tokens: int, size: int) -> tuple[int, int]:
    """Bytes that a layer keeps for its backward pass when it is not computed again, and when it is."""
    hidden, attended = layer.qkv.inputs, layer.o.inputs
    low = sum(each.rank for each in layer.projections)
    again = tokens * hidden * size
    fp32 = 4 * tokens * (2 + layer.heads)
    all_of_it = hidden + layer.qkv.outputs + attended + hidden + layer.gate_up.outputs + low
    return tokens * size * all_of_it + fp32, again


def working_bytes(layer: DecoderLayer, tokens: int, size: int) -> int:
    """Bytes in use at once beside what is kept: gate and up with their gradients, the MLP's product, and a
    chunk of logits with its hidden states."""
    widest = 2 * layer.gate_up.outputs + 2 * layer.down.inputs + 4 * layer.qkv.inputs
    return tokens * size * widest + CHUNK_BYTES


def to_recompute(room: int, layers: list[DecoderLayer], tokens: int, size: int) -> int:
    """The fewest layers to compute again so that all fit into `room` bytes; all of them where none would."""
    kept, again = kept_bytes(layers[0], tokens, size)
    room -= working_bytes(layers[0], tokens, size)
    for count in range(len(layers)):
        if count * again + (len(layers) - count) * kept <= room:
            return count
    return len(layers)


def room(trained: int) -> int:
    """Bytes of this card that activations may take before training begins: what is free, less fp32
    gradients and AdamW's two moments of `trained` parameters."""
    free, total = torch.cuda.mem_get_info()
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return free + unused - int(SPARE * total) - 12 * trained
