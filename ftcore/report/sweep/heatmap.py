"""Two keys against each other: a table of cells, each the best and the mean of the trials in it."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ftcore.report import format as fmt
from ftcore.report.sweep.scale import KeyAxis, ResultScale, value_text
from ftcore.sweeps.table import Row

MOST = 12
"""Values of one key that have a row or column each; of more, stretches with equally many trials."""

PARTS = 6


@dataclass(frozen=True)
class Cell:
    """What the trials of one combination came to; `shade` is None where none has a result."""

    best: str
    mean: str
    best_shade: int | None
    mean_shade: int | None
    trial: int | None
    """The best one."""

    title: str


@dataclass(frozen=True)
class Heatmap:
    """Rows are values of `y` from the top down, columns those of `x`."""

    x: str
    y: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    several: bool
    """Whether a cell holds more than one result, so that best and mean differ."""

    parts: bool
    """Whether a key's values are too many, and stretches of them are shown."""


def heatmap(rows: Sequence[Row], x: KeyAxis, y: KeyAxis, scale: ResultScale, maximize: bool) -> Heatmap:
    """Of all rows; those without a result only count as such."""
    of_x, names_x = _levels(rows, x)
    of_y, names_y = _levels(rows, y)
    cells: dict[tuple[int, int], list[Row]] = {}
    for row, column, line in zip(rows, of_x, of_y, strict=True):
        cells.setdefault((line, column), []).append(row)
    made = [
        tuple(_cell(cells.get((line, column), []), scale, maximize) for column in range(len(names_x)))
        for line in range(len(names_y))
    ]
    lines = [*zip(names_y, made, strict=True)]
    if y.numeric:
        # Large numbers on top, as on an axis.
        lines.reverse()
    several = any(sum(row.scored for row in cell) > 1 for cell in cells.values())
    parts = any(axis.numeric and len(axis.values) > MOST for axis in (x, y))
    return Heatmap(x.key, y.key, tuple(names_x), tuple(lines), several, parts)


def _cell(rows: Sequence[Row], scale: ResultScale, maximize: bool) -> Cell:
    scored = [row for row in rows if row.scored]
    if not scored:
        states = dict.fromkeys(row.state for row in rows)
        text = ", ".join(states) if rows else fmt.MISSING
        return Cell(text, text, None, None, None, f"{len(rows)} trials, none with a result")
    top = (max if maximize else min)(scored, key=lambda row: row.value or 0.0)
    best, mean = top.value or 0.0, fmean(row.value or 0.0 for row in scored)
    shades = scale.shade(best), scale.shade(mean)
    title = f"trial {top.number}: {fmt.significant(best, 6)}"
    if len(rows) > 1:
        title += f"; mean of {len(scored)}: {fmt.significant(mean, 6)}"
        title += f"; {len(rows) - len(scored)} without a result" * (len(rows) > len(scored))
    return Cell(fmt.significant(best), fmt.significant(mean), *shades, top.number, title)


def _levels(rows: Sequence[Row], axis: KeyAxis) -> tuple[list[int], list[str]]:
    """Each row's place among the names of levels."""
    column = [row.point[axis.key] for row in rows]
    if not axis.numeric or len(axis.values) <= MOST:
        names = [*map(value_text, axis.values)]
        return [names.index(_text(value, axis)) for value in column], names
    ordered = sorted(float(value) for value in column)
    ends = sorted({ordered[len(ordered) * part // PARTS] for part in range(1, PARTS)} - {ordered[0]})
    level = [sum(value >= end for end in ends) for value in column]
    edges = [-math.inf, *ends, math.inf]
    names = []
    for low, high in itertools.pairwise(edges):
        inside = [value for value in ordered if low <= value < high]
        names.append(f"{fmt.significant(inside[0], 3)} to {fmt.significant(inside[-1], 3)}")
    return level, names


def _text(value: Any, axis: KeyAxis) -> str:
    return value_text(float(value)) if axis.numeric else value_text(value)
