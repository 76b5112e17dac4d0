"""From axes to points: which combinations a strategy goes through."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from ftcore.config.errors import Problem
from ftcore.config.schema.search import Asynchronous, Listed, Random, Search, Zip
from ftcore.sweeps.axes import Axis

Point = tuple[str, ...]
"""The overrides of one trial, in the order of the axes."""

DRAWS_A_TRIAL = 100
"""Tries to find a point that was not drawn yet."""


def count(axes: Sequence[Axis], search: Search) -> int:
    """How many points there are, without making them."""
    if isinstance(search, (Random, Asynchronous)):
        return search.trials
    if isinstance(search, Zip):
        return max((len(axis.values) for axis in axes), default=0)
    combinations = math.prod(len(axis.values) for axis in axes)
    return combinations * len(search.points) if isinstance(search, Listed) else combinations


NOTHING = "nothing is swept"
"""What is wrong where no word has several values."""


def wrong(axes: Sequence[Axis], search: Search) -> list[Problem]:
    """Why there are no points, or too many."""
    problems = []
    if not axes and not (isinstance(search, Listed) and search.points):
        problems.append(Problem("-m", NOTHING, "key=a,b or key=range(1,9) or search=NAME"))
    if isinstance(search, Listed) and not search.points:
        problems.append(
            Problem("search.points", "there are none", "search.points='[{lr: 1e-4}, {lr: 2e-4}]'")
        )
    if isinstance(search, Listed):
        told = Counter(map(text, search.points))
        problems += [Problem("search.points", f"given twice: {one}") for one, n in told.items() if n > 1]
        own = {key.lstrip("+") for point in search.points for key in point}
        problems += [
            Problem(axis.key, "is swept, and in search.points too") for axis in axes if axis.key in own
        ]
    if not isinstance(search, (Random, Asynchronous)):
        for axis in axes:
            if axis.interval:
                message = f"an interval has no end of values for search={search.strategy}"
                problems.append(Problem(axis.key, message, "search=random, tpe or asha"))
    if isinstance(search, Zip) and len({len(axis.values) for axis in axes if not axis.interval}) > 1:
        lengths = ", ".join(f"{axis.key} has {len(axis.values)}" for axis in axes)
        problems.append(Problem("search", f"zip pairs values, and {lengths}"))
    if not problems and (there := count(axes, search)) > search.max_trials:
        problems.append(Problem("-m", f"{there} trials", f"at most search.max_trials={search.max_trials}"))
    return problems


def points(axes: Sequence[Axis], search: Search) -> Iterator[Point]:
    """The points of a strategy that knows them beforehand; of a search that asks as it goes, none."""
    if isinstance(search, Asynchronous):
        return iter(())
    if isinstance(search, Random):
        return _drawn(axes, search)
    each = [[axis.word(number) for number in range(len(axis.values))] for axis in axes]
    if isinstance(search, Zip):
        return zip(*each, strict=True)
    if isinstance(search, Listed):
        explicit = [tuple(f"{key}={text(value)}" for key, value in point.items()) for point in search.points]
        return ((*point, *rest) for point in explicit for rest in itertools.product(*each))
    return itertools.product(*each)


def _drawn(axes: Sequence[Axis], search: Random) -> Iterator[Point]:
    rng, seen = random.Random(search.seed), set()
    for _ in range(search.trials * DRAWS_A_TRIAL):
        point = tuple(_draw(axis, rng) for axis in axes)
        if point not in seen:
            seen.add(point)
            yield point
        if len(seen) == search.trials:
            return


def _draw(axis: Axis, rng: random.Random) -> str:
    if axis.interval is None:
        return axis.word(rng.randrange(len(axis.values)))
    low, high = axis.interval.low, axis.interval.high
    if axis.interval.log:
        value = min(max(math.exp(rng.uniform(math.log(low), math.log(high))), low), high)
        return axis.word_of(round(value) if axis.interval.whole else value)
    if axis.interval.whole:
        return axis.word_of(rng.randint(int(low), int(high)))
    return axis.word_of(rng.uniform(low, high))


def text(value: Any) -> str:
    """A plain value as Hydra's grammar has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(text, value)) + "]"
    if isinstance(value, (int, float)):
        return repr(value)
    # Not every backslash is doubled there: Hydra's own knows which.
    return QuotedString(str(value), Quote.single).with_quotes()
