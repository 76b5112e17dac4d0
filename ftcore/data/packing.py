"""Which rows share a sequence of `max_length` tokens."""

from bisect import bisect_left, insort
from collections.abc import Sequence

import numpy as np

WINDOW = 16_384
"""Rows packed together: enough to fill every bin but the last few, few enough for the seed to matter."""


def pack(lengths: Sequence[int], max_length: int, seed: int, shuffle: bool) -> list[list[int]]:
    """Bins of row numbers, none over `max_length` tokens, every row in exactly one.

    Best fit decreasing within windows of rows. With `shuffle` the seed draws the windows, the order of the
    bins and of the rows in each; without it both orders follow the rows' own and the seed has no part.
    O(n log n); ValueError for a row of less than one or more than `max_length` tokens.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if not len(sizes):
        return []
    if sizes.min() < 1 or sizes.max() > max_length:
        row = int(np.argmax((sizes < 1) | (sizes > max_length)))
        raise ValueError(f"row {row} has {sizes[row]} tokens, not 1 to {max_length}")
    draw = np.random.default_rng(seed)
    rows = draw.permutation(len(sizes)) if shuffle else np.arange(len(sizes))
    bins: list[list[int]] = []
    for window in np.array_split(rows, max(1, round(len(rows) / WINDOW))):
        by_size = window[np.argsort(-sizes[window], kind="stable")]
        bins += _best_fit(by_size.tolist(), sizes[by_size].tolist(), max_length)
    if not shuffle:
        return sorted(sorted(members) for members in bins)
    for members in bins:
        draw.shuffle(members)
    return [bins[index] for index in draw.permutation(len(bins))]


def alone(count: int) -> list[list[int]]:
    """Bins of one row each: what packing is turned off to."""
    return [[row] for row in range(count)]


def _best_fit(rows: list[int], sizes: list[int], max_length: int) -> list[list[int]]:
    """Each row, longest first, into the bin it leaves the least room in."""
    bins: list[list[int]] = []
    rooms: list[int] = []  # sorted, without repeats: which amounts of room some bin has left
    bins_with: dict[int, list[int]] = {}
    for row, size in zip(rows, sizes, strict=True):
        at = bisect_left(rooms, size)
        if at == len(rooms):
            target, room = len(bins), max_length
            bins.append([])
        else:
            room = rooms[at]
            target = bins_with[room].pop()
            if not bins_with[room]:
                del bins_with[room], rooms[at]
        bins[target].append(row)
        left = room - size
        if left:
            if left not in bins_with:
                bins_with[left] = []
                insort(rooms, left)
            bins_with[left].append(target)
    return bins
