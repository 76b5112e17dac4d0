"""Which rows share a sequence of `max_length` tokens."""

from collections.abc import Sequence

import numpy as np

from ftcore.data.best_fit import WINDOW, best_fit


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
        bins += best_fit(by_size.tolist(), sizes[by_size].tolist(), max_length)
    if not shuffle:
        return sorted(sorted(members) for members in bins)
    for members in bins:
        draw.shuffle(members)
    return [bins[index] for index in draw.permutation(len(bins))]


def alone(count: int) -> list[list[int]]:
    """Bins of one row each: what packing is turned off to."""
    return [[row] for row in range(count)]
