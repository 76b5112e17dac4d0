"""Rows into sequences, and how many of those there will be, without numpy: `plan` answers at once."""

from bisect import bisect_left, insort
from collections.abc import Sequence

WINDOW = 16_384
"""Rows packed together: enough to fill every bin but the last few, few enough for the seed to matter."""


def bins(lengths: Sequence[int], max_length: int) -> int:
    """How many `ftcore.data.packing.pack` makes of rows of 1 to `max_length` tokens.

    Exactly so many where they are one window, whatever the seed, since rows of one length can change places;
    about so many where there are more.
    """
    falling = sorted(lengths, reverse=True)
    return len(best_fit(range(len(falling)), falling, max_length))


def best_fit(rows: list[int], sizes: list[int], max_length: int) -> list[list[int]]:
    """Bins of `rows`, whose `sizes` fall: each goes into the bin that it leaves the least room in."""
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
