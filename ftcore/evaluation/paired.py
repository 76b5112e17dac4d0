"""The same cases answered twice: what changed, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.evaluation.scoring import wilson

RESAMPLES = 10_000
"""Of the bootstrap; the ends of its interval then move by about a hundredth of its width."""

Verdicts = Mapping[str, bool]


def differences(base: Sequence[Verdicts], tuned: Sequence[Verdicts]) -> dict[str, dict[str, Any]]:
    """{measure: {"difference", "low", "high", "p", "gained", "lost", "of"}} of verdicts case by case.

    difference is the tuned share less the base's, over the cases that both have a verdict on, with Newcombe's
    95 % interval; p is McNemar's exact one, two-sided.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for verdicts in base for name in verdicts):
        pairs = [(b[name], t[name]) for b, t in zip(base, tuned, strict=True) if name in b and name in t]
        if not pairs:
            continue
        gained, lost = pairs.count((False, True)), pairs.count((True, False))
        both = pairs.count((True, True))
        low, high = newcombe(both, gained, lost, len(pairs))
        found[name] = {
            "difference": (gained - lost) / len(pairs), "low": low, "high": high,
            "p": mcnemar(gained, lost), "gained": gained, "lost": lost, "of": len(pairs),
        }  # fmt: skip
    return found


def newcombe(both: int, gained: int, lost: int, of: int) -> tuple[float, float]:
    """95 % interval of (gained - lost) / of, of > 0 pairs: method 10 of Newcombe (Stat. Med. 17, 1998).

    Wilson's intervals of the two shares, squared and added, with the correlation of the pairs taken off.
    Unlike a bootstrap it is not a point where no case changed.
    """
    neither = of - both - gained - lost
    before, after = (both + lost) / of, (both + gained) / of
    (low_before, high_before), (low_after, high_after) = wilson(both + lost, of), wilson(both + gained, of)
    phi = _correlation(both, gained, lost, neither)
    down = _root(after - low_after, high_before - before, phi)
    up = _root(high_after - after, before - low_before, phi)
    difference = (gained - lost) / of
    return max(-1.0, difference - down), min(1.0, difference + up)


def _correlation(both: int, gained: int, lost: int, neither: int) -> float:
    """Newcombe's phi, corrected towards 0 where it is positive."""
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    excess: float = both * neither - gained * lost
    if excess > 0:
        excess = max(excess - (both + gained + lost + neither) / 2, 0.0)
    return excess / math.sqrt(margins)


def _root(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(one * one - 2 * phi * one * other + other * other, 0.0))


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p of a fair coin falling so unevenly, by the binomial distribution; 1 if nothing changed."""
    changed = gained + lost
    tail = sum(math.comb(changed, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**changed)


def bootstrap(
    base: Sequence[float], tuned: Sequence[float], weights: Sequence[int], seed: int
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of sum(values) / sum(weights): of "base", "tuned", and their "difference".

    The same blocks are drawn for both sides, with replacement, RESAMPLES times by `seed`. Where blocks are
    neighbours in a text, they depend on each other a little, and the intervals are a little too narrow.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(weights), np.full(len(weights), 1 / len(weights)), size=RESAMPLES)
    total = drawn @ np.asarray(weights, dtype=float)
    sides = {name: drawn @ np.asarray(one) / total for name, one in (("base", base), ("tuned", tuned))}
    sides["difference"] = sides["tuned"] - sides["base"]
    return {name: tuple(map(float, np.quantile(one, (0.025, 0.975)))) for name, one in sides.items()}
