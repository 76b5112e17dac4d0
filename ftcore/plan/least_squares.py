"""Least squares with coefficients that have a least value, for a handful of unknowns; no numpy."""

from collections.abc import Sequence

SWEEPS = 20_000


def bounded(rows: Sequence[Sequence[float]], values: Sequence[float], least: Sequence[float]) -> list[float]:
    """As `non_negative`, with x no smaller than `least` (which is 0 or more)."""
    beyond = [value - dot(row, least) for row, value in zip(rows, values, strict=True)]
    return [low + more for low, more in zip(least, non_negative(rows, beyond), strict=True)]


def non_negative(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """x >= 0 that makes the sum of (row . x - value)^2 least, by coordinate descent on the normal equations.

    Columns are scaled to one length first: operations are of 1e13 and bytes of 1e10. A column of zeros has
    0. The problem is convex, so that where the descent stops is the minimum.
    """
    width = len(rows[0])
    scale = [sum(row[j] ** 2 for row in rows) ** 0.5 for j in range(width)]
    scaled = [[row[j] / scale[j] if scale[j] else 0.0 for j in range(width)] for row in rows]
    gram = [[sum(row[i] * row[j] for row in scaled) for j in range(width)] for i in range(width)]
    target = [sum(row[i] * value for row, value in zip(scaled, values, strict=True)) for i in range(width)]
    x = [0.0] * width
    for _ in range(SWEEPS):
        moved = 0.0
        for i in range(width):
            if not gram[i][i]:
                continue
            new = max(0.0, x[i] + (target[i] - dot(gram[i], x)) / gram[i][i])
            moved, x[i] = max(moved, abs(new - x[i])), new
        if moved <= 1e-12 * max(x):
            break
    return [each / size if size else 0.0 for each, size in zip(x, scale, strict=True)]


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """The sum of the products, of two as long as each other."""
    return sum(a * b for a, b in zip(one, other, strict=True))
