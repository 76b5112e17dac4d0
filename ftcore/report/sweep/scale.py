"""Where values of a swept key lie on an axis, and which colour a result has."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ftcore.report import format as fmt
from ftcore.report import svg

FEW = 8
"""Distinct numbers that are all written at the axis."""

LOG_FROM = 8
"""From this many times the smallest on, the largest would press the others together."""

REACH = 10
"""Results farther from the best than this many times the middle one are drawn as far as that."""


def value_text(value: Any) -> str:
    """A swept value in as few characters as tell it from its neighbours."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return fmt.MISSING
    return fmt.significant(value) if isinstance(value, (int, float)) else fmt.text(value)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class KeyAxis:
    """An axis of one swept key, from 0 to 1."""

    key: str
    values: tuple[Any, ...]
    """Distinct; numbers from the smallest up, others in the order that they were asked for."""

    numeric: bool
    log: bool

    def place(self, value: Any) -> float:
        """From 0 to 1; NaN where the axis has no such value."""
        if not self.numeric:
            texts = [*map(value_text, self.values)]
            text = value_text(value)
            return (texts.index(text) + 0.5) / len(texts) if text in texts else math.nan
        if not is_number(value):
            return math.nan
        low, high = self._on(self.values[0]), self._on(self.values[-1])
        return 0.5 if high == low else 0.04 + 0.92 * (self._on(value) - low) / (high - low)

    @property
    def discrete(self) -> bool:
        """Whether its values are few."""
        return not self.numeric or len(self.values) <= FEW

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels."""
        values = self.values if self.discrete else self._round_values()
        return [(self.place(value), value_text(value)) for value in values]

    def _on(self, value: float) -> float:
        return math.log(value) if self.log else float(value)

    def _round_values(self) -> list[float]:
        low, high = self.values[0], self.values[-1]
        if self.log:
            decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            steps = (1,) if high / low > 1000 else (1, 2, 5)
            found = [step * 10.0**exponent for exponent in decades for step in steps]
        else:
            rough = (high - low) / 5
            unit = 10.0 ** math.floor(math.log10(rough))
            step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
            found = [step * index for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
        inside = [value for value in found if low <= value <= high]
        return inside if len(inside) > 1 else [low, high]


def key_axis(key: str, column: Sequence[Any], told: Mapping[str, Any] | None = None) -> KeyAxis:
    """The axis of a key over its values in all trials; `told` is its entry in `sweep.json`."""
    there = [value for value in column if value is not None]
    if there and all(map(is_number, there)) and len(there) == len(column):
        distinct = tuple(sorted({float(value) for value in there}))
        asked = ((told or {}).get("interval") or {}).get("log", False)
        log = distinct[0] > 0 and (asked or distinct[-1] >= LOG_FROM * distinct[0])
        return KeyAxis(key, distinct, True, log)
    order = [*((told or {}).get("values") or ()), *column]
    texts = {value_text(value): value for value in reversed(order)}
    known = {value_text(value) for value in column}
    return KeyAxis(
        key, tuple(texts[t] for t in dict.fromkeys(map(value_text, order)) if t in known), False, False
    )


@dataclass(frozen=True)
class ResultScale:
    """From the best result to the worst that is told apart."""

    best: float
    worst: float
    clipped: bool
    """Whether there are results beyond `worst`."""

    def share(self, value: float) -> float:
        """0 for the best, 1 for `worst` and what is beyond."""
        span = self.worst - self.best
        return 0.0 if span == 0 else min(1.0, max(0.0, (value - self.best) / span))

    def shade(self, value: float) -> int:
        """Which of the colours."""
        return min(len(svg.SCALE) - 1, int(self.share(value) * len(svg.SCALE)))

    def inside(self, value: float) -> float:
        """`value`, or `worst` where it lies beyond."""
        low, high = sorted((self.best, self.worst))
        return min(high, max(low, value))


def result_scale(values: Sequence[float], maximize: bool) -> ResultScale | None:
    """Of finite results; None where there are none."""
    if not values:
        return None
    best, worst = (max(values), min(values)) if maximize else (min(values), max(values))
    middle = median(values)
    if middle != best and abs(worst - best) > REACH * abs(middle - best):
        return ResultScale(best, best + REACH * (middle - best), True)
    return ResultScale(best, worst, False)
