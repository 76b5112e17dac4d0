"""Points at which the values of axes are checked before a search begins: every value once."""

import math
from collections.abc import Iterator, Sequence

from ftcore.sweeps.axes import Axis, Interval
from ftcore.sweeps.points import Point


def samples(axes: Sequence[Axis]) -> Iterator[Point]:
    """Of each axis every value in turn, of an interval the middle and both ends; of the others the first."""
    words = [_words(axis) for axis in axes]
    first = tuple(found[0] for found in words)
    yield first
    for number, found in enumerate(words):
        for word in found[1:]:
            yield (*first[:number], word, *first[number + 1 :])


def _words(axis: Axis) -> list[str]:
    if axis.interval is None:
        return [axis.word(number) for number in range(len(axis.texts))]
    return [axis.word_of(value) for value in (_middle(axis.interval), axis.interval.low, axis.interval.high)]


def _middle(interval: Interval) -> float:
    low, high = interval.low, interval.high
    middle = math.sqrt(low * high) if interval.log else (low + high) / 2
    return round(middle) if interval.whole else middle
