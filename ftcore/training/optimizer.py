"""The optimiser wrapper that steps the weights, one for each way of training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from ftcore.config.schema import Experiment


class CpuAmpOptimWrapper(OptimWrapper):
    """bf16 autocast without an accelerator, which mmengine's AmpOptimWrapper asserts."""

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with torch.autocast("cpu", dtype=torch.bfloat16), super().optim_context(model):
            yield


def optim_wrapper(e: Experiment, stock: dict[str, Any]) -> dict[str, Any]:
    """The wrapper of the XTuner configuration `stock`, or what takes its place."""
    if e.kernels.optimizer == "fused" and not _offloaded(e):
        stock = stock | {"optimizer": stock["optimizer"] | {"fused": True}}
    if e.parallelism.strategy == "deepspeed":
        return {"type": "DeepSpeedOptimWrapper", "optimizer": stock["optimizer"]}
    if e.hardware.accelerator == "cpu" and e.precision.dtype == "bf16":
        kept = {name: value for name, value in stock.items() if name not in ("dtype", "loss_scale")}
        return kept | {"type": CpuAmpOptimWrapper}
    return stock


def _offloaded(e: Experiment) -> bool:
    """Whether DeepSpeed steps on the CPU, by an optimiser of its own."""
    block = e.parallelism.deepspeed
    return block is not None and block.zero_optimization.offload_optimizer is not None
