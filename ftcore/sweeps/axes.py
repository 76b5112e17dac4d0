"""What a command line varies, in Hydra's grammar for `-m`: choices, ranges, globs and intervals."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep
from hydra.core.override_parser.types import Transformer as Transform
from hydra.errors import HydraException

from ftcore.config import overrides as grammar
from ftcore.config.errors import Problem, listed, nearest, shortened

MOST_VALUES = 10_000
"""Of one axis."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Every number between two; for searches that draw."""

    low: float
    high: float
    log: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class Axis:
    """A key and what it takes in turn."""

    key: str
    prefix: str
    """What stands before the key in an override: `+`, `++` or nothing."""

    group: bool
    values: tuple[Any, ...] = ()
    texts: tuple[str, ...] = ()
    """Each value as it is typed after `KEY=`."""

    interval: Interval | None = None

    def word(self, number: int) -> str:
        """The override that gives the key its value of that number."""
        return f"{self.prefix}{self.key}={self.texts[number]}"

    def word_of(self, value: Any) -> str:
        """The override for a drawn value."""
        return f"{self.prefix}{self.key}={value!r}"


def split(
    words: Sequence[str], groups: dict[str, tuple[str, ...]]
) -> tuple[list[str], list[Axis], list[Problem]]:
    """Overrides that are the same for every trial, the axes of the others, and what is wrong with those.

    A word that is no override stays among the first, whose reader complains of it. A key that is swept and
    has one value beside is refused: Hydra would let the last word win, and make every trial the same.
    """
    alone: dict[str, str] = {}
    fixed: list[str] = []
    axes: list[Axis] = []
    problems: list[Problem] = []
    for word in words:
        try:
            override = grammar.parse_one(word)
        except HydraException:
            fixed.append(word)
            continue
        if not override.is_sweep_override():
            fixed.append(word)
            alone[override.key_or_group] = word
            continue
        found = axis(override, groups)
        if isinstance(found, Problem):
            problems.append(found)
        elif any(found.key == other.key for other in axes):
            problems.append(Problem(found.key, "is swept twice"))
        else:
            axes.append(found)
    problems += [
        Problem(one.key, f"given twice: to be swept, and as {shortened(alone[one.key])}")
        for one in axes
        if one.key in alone
    ]
    return fixed, axes, problems


def left_of_a_file(axes: Sequence[str], words: Sequence[str]) -> list[str]:
    """The axes of a search's file that no word of the command line is about: what is typed replaces them."""
    typed = {_key(word) for word in words} - {None}
    return [word for word in axes if _key(word) not in typed]


def _key(word: str) -> str | None:
    try:
        return grammar.parse_one(word).key_or_group
    except HydraException:
        return None


def axis(override: Override, groups: dict[str, tuple[str, ...]]) -> Axis | Problem:
    """The axis that a sweep override describes."""
    key = override.key_or_group
    prefix = "++" if override.is_force_add() else "+" if override.is_add() else ""
    value, group = override.value(), key in groups
    if re.split(r"[./]", key)[0] == "hydra":
        return Problem(key, "Hydra composes and does not run ftcore, so its own settings change nothing")
    if override.package is not None:
        return Problem(f"{key}@{override.package}", "a key's place is fixed", nearest=f"{key}=...")
    if isinstance(value, IntervalSweep):
        return _interval(key, prefix, group, value)
    if isinstance(value, RangeSweep) and (problem := _too_long(key, value)):
        return problem
    if isinstance(value, Glob):
        if not group:
            return Problem(key, "a glob chooses among a config group's files", listed(tuple(groups)))
        names = tuple(value.filter(list(groups[key])))
        if not names:
            return Problem(
                key, f"no choice matches {shortened(override.input_line or '')}", listed(groups[key])
            )
        return Axis(key, prefix, True, names, names)
    # Once: each time it is gone through, a shuffled one has another order.
    typed = tuple(override.sweep_iterator())
    values = tuple(map(Override._convert_value, typed))
    texts = tuple(map(Transform.str, typed))
    if isinstance(value, ChoiceSweep) and not values:
        return Problem(key, "there is nothing to choose from")
    if doubles := sorted(text for text, times in Counter(texts).items() if times > 1):
        return Problem(key, f"given twice: {', '.join(doubles)}")
    if group and (wrong := [str(one) for one in values if one not in groups[key]]):
        near = nearest(wrong[0], groups[key])
        return Problem(
            key, f"no choice named {', '.join(map(repr, wrong))}", listed(groups[key], wrong[0]), near
        )
    return Axis(key, prefix, group, values, texts)


def _interval(key: str, prefix: str, group: bool, value: IntervalSweep) -> Axis | Problem:
    low, high = value.start, value.end
    if group or low is None or high is None or not low < high or math.isinf(high) or math.isinf(low):
        return Problem(key, "an interval needs two finite numbers, the smaller one first")
    log = "log" in value.tags
    if log and low <= 0:
        return Problem(key, f"a logarithmic interval begins above 0, not at {low:g}")
    return Axis(
        key, prefix, False, interval=Interval(low, high, log, isinstance(low, int) and isinstance(high, int))
    )


def _too_long(key: str, value: RangeSweep) -> Problem | None:
    """A range is counted before it is gone through."""
    start, stop, step = value.start, value.stop, value.step
    if stop is None or start is None or not step or math.isinf(stop) or math.isinf(start):
        return Problem(key, "a range without an end")
    count = math.ceil((stop - start) / step)
    if count <= 0:
        return Problem(key, f"range({start},{stop},{step}) has no value")
    return Problem(key, f"{count} values", f"at most {MOST_VALUES}") if count > MOST_VALUES else None
