"""The steps of `plain` for a device: Triton's where it runs, PyTorch's elsewhere."""

from functools import cache
from importlib.util import find_spec
from types import ModuleType

import torch

from ftcore.training.fast import plain


@cache
def ops(device: str) -> ModuleType:
    """The module for tensors on `device` ("cuda", which a DCU is too, or "cpu")."""
    if device != "cuda" or find_spec("triton") is None:
        return plain
    from ftcore.training.fast import triton_ops

    return triton_ops


def mm32(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a @ b as fp32, of operands that need not be: a gradient that accumulates over micro batches."""
    if a.is_cuda and a.dtype != torch.float32 and torch.version.hip is None:
        return torch.mm(a, b, out_dtype=torch.float32)
    return torch.mm(a, b).float()
