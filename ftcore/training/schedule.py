"""The learning rate, as a pure function of the optimiser step."""

import math

from mmengine.optim import BaseOptimWrapper
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from ftcore.config.schema import Optim


def warmup_steps(total: int, ratio: float) -> int:
    """Steps over which the rate rises: none for ratio 0, else at least one, and fewer than `total`.

    XTuner's epoch-fraction warm-up comes out as less than an iteration on small data and then leaves the
    rate near zero to the end of training (seen with 64 samples and ratio 0.03).
    """
    return min(max(1, round(total * ratio)), max(total - 1, 0)) if ratio > 0 else 0


def multiplier(step: int, total: int, optim: Optim) -> float:
    """Factor of the peak rate in optimiser step `step` (from 0) of `total`.

    The rate rises in equal parts from the first step and is at its peak in the last step of the warm-up;
    the decay ends at `min_lr_ratio` one step after the last.
    """
    warmup = warmup_steps(total, optim.warmup_ratio)
    if step < warmup:
        return (step + 1) / warmup
    if optim.schedule == "constant":
        return 1.0
    peak = max(warmup - 1, 0)
    done = min((step - peak) / max(total - peak, 1), 1.0)
    shape = 0.5 * (1 + math.cos(math.pi * done)) if optim.schedule == "cosine" else 1.0 - done
    return optim.min_lr_ratio + (1 - optim.min_lr_ratio) * shape


class StepSchedule(_ParamScheduler):
    """mmengine calls a scheduler once an iteration; the rate changes once an optimiser step."""

    SETTINGS = ("optim", "total", "accumulation")

    def __init__(
        self,
        optimizer: BaseOptimWrapper,
        optim: Optim,
        total: int,
        accumulation: int,
        by_epoch: bool,
        end: int,
    ) -> None:
        self.optim, self.total, self.accumulation = optim, total, accumulation
        super().__init__(optimizer, "lr", end=end, by_epoch=by_epoch)

    def _get_value(self) -> list[float]:
        factor = multiplier(self.last_step // self.accumulation, self.total, self.optim)
        return [base * factor for base in self.base_values]

    def state_dict(self) -> dict[str, object]:
        """Without the settings, which come from the experiment: a checkpoint then loads as plain data."""
        return {name: value for name, value in super().state_dict().items() if name not in self.SETTINGS}
