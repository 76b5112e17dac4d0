"""Perplexities of two models on the same text, and what they say of each other; needs no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.evaluation.paired import bootstrap


@dataclass(frozen=True, slots=True)
class Block:
    """What one window says: the sum of -log p over its `tokens` that count, in nats."""

    loss: float
    tokens: int


def summarise(blocks: Sequence[Block], interval: tuple[float, float]) -> dict[str, Any]:
    """{"value", "low", "high", "loss", "tokens"}: the perplexity, its interval, the mean loss in nats."""
    tokens = sum(block.tokens for block in blocks)
    loss = sum(block.loss for block in blocks) / tokens
    low, high = map(_exp, interval)
    return {"value": _exp(loss), "low": low, "high": high, "loss": loss, "tokens": tokens}


def compare(base: Sequence[Block], tuned: Sequence[Block], seed: int) -> dict[str, dict[str, Any]]:
    """{"base", "tuned", "difference"}; the last is {"ratio", "low", "high", "windows"}: the tuned model's
    perplexity over the base's, with a paired bootstrap's 95 % interval over the windows.

    Both have the same windows.
    """
    sizes = [block.tokens for block in base]
    if sizes != [block.tokens for block in tuned]:
        raise ValueError("the two models cut the text into different tokens")
    found = bootstrap([one.loss for one in base], [one.loss for one in tuned], sizes, seed)
    sides = {
        "base": summarise(base, found["base"]),
        "tuned": summarise(tuned, found["tuned"]),
    }
    low, high = map(_exp, found["difference"])
    ratio = _exp(sides["tuned"]["loss"] - sides["base"]["loss"])
    return {**sides, "difference": {"ratio": ratio, "low": low, "high": high, "windows": len(base)}}


def _exp(loss: float) -> float:
    return math.exp(min(loss, 700.0))
