"""From the steps of one program to the figures that are compared."""

import statistics
from dataclasses import dataclass
from typing import Any

from ftcore.plan.assumed import peak_of

BYTES_PER_GIB = 2**30
TERA = 1e12
FLOPS_PER_WEIGHT_AND_TOKEN = 4
"""The 4N convention: two operations a weight and token forward, two backward for the activations' gradients;
frozen weights have no gradients of their own. Attention, the adapter and recomputation are not counted."""


def peak_tflops(card: str | None) -> int | None:
    """bf16 dense peak of a card by its name; None is unknown."""
    known = peak_of(card, None) if card else None
    return round(known[0].operations / TERA) if known else None


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step: wall-clock seconds from the end of the step before (data, logging and all), tokens
    without padding, mean loss over the step, gradient norm before clipping."""

    seconds: float
    tokens: int
    loss: float | None
    grad_norm: float | None


def figures(
    steps: list[Step], warmup: int, memory_gib: float, parameters: int, peak: int | None
) -> dict[str, Any]:
    """Tokens/s (median over the timed steps), share of the peak, and the first steps' numbers."""
    timed = steps[warmup:]
    rate = statistics.median(step.tokens / step.seconds for step in timed)
    share = rate * FLOPS_PER_WEIGHT_AND_TOKEN * parameters / (peak * TERA) if peak else None
    return {
        "tokens_per_second": round(rate, 1),
        "share_of_peak": None if share is None else round(share, 4),
        "step_seconds": round(statistics.median(step.seconds for step in timed), 4),
        "slowest_step_seconds": round(max(step.seconds for step in timed), 4),
        "tokens_per_step": round(statistics.mean(step.tokens for step in timed)),
        "peak_memory_gib": round(memory_gib, 2),
        "losses": [step.loss for step in steps[:3]],
        "grad_norms": [step.grad_norm for step in steps[:3]],
        "timed_steps": len(timed),
    }
