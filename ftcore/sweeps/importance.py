"""What share of a result's variance each swept key explains.

Of a balanced grid (every combination has equally many results) the shares are exact: the sums of squares of
a factorial design, which do not depend on a model. Otherwise they are estimates: from the means of each key's
values, or, where a key was drawn from a range and there are trials enough, by Optuna if it is installed.
"""

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

FEW = 8
"""Distinct numbers of a key that are still values to choose from; more are a range, looked at in parts."""

PARTS = 5
ENOUGH = 20
"""Trials from which on a search's own estimate says more than means do."""

WIDE = 50
"""From this many times the median on, the largest result would be all of the variance: logarithms then."""

EXACT = "exact: every combination has a result, and these are its sums of squares"
MEANS = "estimated from the means of each key's values: some combinations have no result"
FANOVA = "estimated by Optuna's fANOVA, a forest of regression trees over the trials"
PED_ANOVA = (
    "estimated by Optuna's PED-ANOVA: how much each key decides whether a trial is among the best tenth; "
    "shares of that, not of the variance"
)

Point = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares from 0 to 1, the largest first."""

    shares: tuple[tuple[str, float], ...]
    """Of each key by itself."""

    pairs: tuple[tuple[tuple[str, str], float], ...]
    """Of two keys beyond what each explains; only where it is exact."""

    method: str
    trials: int
    """That had a result to count."""

    logarithmic: bool = False

    @property
    def rest(self) -> float | None:
        """What no key explains by itself: keys that act together, and noise. None where shares are of
        something else than the variance."""
        return None if self.method == PED_ANOVA else max(0.0, 1 - sum(share for _, share in self.shares))


def importance(
    points: Sequence[Point], results: Sequence[float], *, maximize: bool = False
) -> Importance | None:
    """Of `results`, one a point; those that are not finite are left out.

    None where there is nothing to explain: fewer than three results, or all the same. Keys that do not vary
    have no share. Every point has the same keys.
    """
    kept = [(point, one) for point, one in zip(points, results, strict=True) if math.isfinite(one)]
    if len(kept) < 3:
        return None
    points, values = [point for point, _ in kept], [one for _, one in kept]
    keys = [key for key in points[0] if len({_mark(point[key]) for point in points}) > 1]
    if not keys or max(values) == min(values):
        return None
    logarithmic = min(values) > 0 and max(values) > WIDE * median(values)
    if logarithmic:
        values = [math.log(value) for value in values]
    pairs: dict[tuple[str, str], float] = {}
    if balanced(points, keys):
        shares, method = {key: _between(points, values, (key,)) for key in keys}, EXACT
        for one, other in itertools.combinations(keys, 2) if len(keys) > 2 else ():
            both = _between(points, values, (one, other))
            pairs[one, other] = max(0.0, both - shares[one] - shares[other])
    else:
        shares, method = _estimated(points, values, keys, maximize)
    order = sorted(keys, key=lambda key: -shares[key])
    return Importance(
        tuple((key, shares[key]) for key in order),
        tuple(sorted(pairs.items(), key=lambda item: -item[1])),
        method,
        len(values),
        logarithmic,
    )


def balanced(points: Sequence[Point], keys: Sequence[str]) -> bool:
    """Whether every combination of the keys' values is there, each equally often."""
    there = Counter(tuple(_mark(point[key]) for key in keys) for point in points)
    combinations = math.prod(len({_mark(point[key]) for point in points}) for key in keys)
    return len(there) == combinations and len(set(there.values())) == 1


def levels(points: Sequence[Point], key: str) -> list[int]:
    """Each point's value of `key` as the number of a level: the values themselves where they are few or no
    numbers, else PARTS stretches with equally many points."""
    column = [point[key] for point in points]
    distinct = dict.fromkeys(map(_mark, column))
    if not is_range(column):
        place = {mark: index for index, mark in enumerate(distinct)}
        return [place[_mark(value)] for value in column]
    # By value, not by place: points that are alike have to be in one level.
    ordered = sorted(column)
    ends = [ordered[min(len(ordered) - 1, len(ordered) * part // PARTS)] for part in range(1, PARTS)]
    return [sum(value >= end for end in ends) for value in column]


def _between(points: Sequence[Point], values: Sequence[float], keys: Sequence[str]) -> float:
    """The share of the variance that lies between the combinations of those keys' values."""
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for point, value in zip(points, values, strict=True):
        groups[tuple(_mark(point[key]) for key in keys)].append(value)
    mean = fmean(values)
    between = math.fsum(len(group) * (fmean(group) - mean) ** 2 for group in groups.values())
    whole = math.fsum((value - mean) ** 2 for value in values)
    # Differences whose squares are under the smallest number are none.
    return min(1.0, between / whole) if whole else 0.0


def _estimated(
    points: Sequence[Point], values: Sequence[float], keys: Sequence[str], maximize: bool
) -> tuple[dict[str, float], str]:
    # Of a grid with holes the means say it: whether a trial is among the best tenth is another question.
    if len(values) >= ENOUGH and any(is_range([point[key] for point in points]) for key in keys):
        from ftcore.sweeps.optuna_importance import estimate

        if (found := estimate(points, values, keys, maximize)) is not None:
            return found
    shares = {key: _adjusted(levels(points, key), values) for key in keys}
    too_much = max(1.0, sum(shares.values()))
    return {key: share / too_much for key, share in shares.items()}, MEANS


def _adjusted(level: Sequence[int], values: Sequence[float]) -> float:
    """Epsilon squared: the share between levels, less what as many levels of no meaning would explain."""
    groups: dict[int, list[float]] = defaultdict(list)
    for one, value in zip(level, values, strict=True):
        groups[one].append(value)
    free = len(values) - len(groups)
    if free <= 0:
        return 0.0
    mean = fmean(values)
    total = math.fsum((value - mean) ** 2 for value in values)
    within = math.fsum((value - fmean(group)) ** 2 for group in groups.values() for value in group)
    return max(0.0, (total - within - (len(groups) - 1) * within / free) / total)


def is_range(column: Sequence[Any]) -> bool:
    """Whether the values are many numbers, and not a few to choose from."""
    return all(map(_is_number, column)) and len(set(column)) > FEW


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _mark(value: Any) -> Hashable:
    """1 and 1.0 are one value, True is another, and lists are values too."""
    return float(value) if _is_number(value) else repr(value)
