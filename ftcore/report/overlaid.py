"""What the metrics of many runs say beside each other: one chart a measure, once for each x axis."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median
from typing import Any

from ftcore.report import format as fmt
from ftcore.report.axes import kept_points
from ftcore.report.charts import Series
from ftcore.report.curves import SMOOTH_FROM, finite, smoothed
from ftcore.report.overlay import Line, overlay_chart
from ftcore.report.palette import Mark

Lines = Sequence[Mapping[str, Any]]

POINTS = 5000
"""Points that the raw lines of a chart have together: what keeps a page of ten runs well under a megabyte."""

FEWEST, MOST = 150, 500
"""Points of one raw line."""

SMOOTH_SHARE = 0.4
"""A smooth line needs fewer."""

WIDE = 50
"""From this many times the middle value on, the largest would press all the rest onto the base line."""

MEASURES = (
    ("loss", "Loss", "loss", True),
    ("grad_norm", "Gradient norm", "norm", True),
    ("tokens_per_second", "Throughput", "tokens / s", True),
    ("lr", "Learning rate", "lr", False),
)
"""Key, title, label of the y axis, and whether its noise is worth smoothing."""


@dataclass(frozen=True)
class Overlaid:
    """One measure, with its drawing for each x axis: (`step`, `tokens` or `time`, svg)."""

    title: str
    note: str
    drawings: tuple[tuple[str, str], ...]


def overlaid(
    runs: Sequence[tuple[Mark, Lines]], measures: Sequence[tuple[str, str, str, bool]] = MEASURES
) -> tuple[Overlaid, ...]:
    """A chart of each of `measures` that any run wrote; `runs` are marks with lines in order of step."""
    axes = _axes([lines for _, lines in runs])
    drawn = (_chart(runs, axes, *measure) for measure in measures)
    return tuple(one for one in drawn if one is not None)


def clocks(lines: Lines) -> list[float]:
    """Seconds spent in steps up to each line: comparable between a run that waited in a queue between two
    attempts and one that did not. NaN from the first line on that does not say."""
    return list(
        accumulate(_number(line, "step_seconds") + _number(line, "data_seconds", 0.0) for line in lines)
    )


def _axes(runs: Sequence[Lines]) -> list[tuple[str, str, list[list[float]]]]:
    """(name, label, x of every line of every run) of the x axes that there is something for."""
    steps = [[float(line["step"]) for line in lines] for lines in runs]
    tokens = [list(accumulate(_number(line, "tokens") for line in lines)) for lines in runs]
    seconds = [clocks(lines) for lines in runs]
    longest = max((x for one in seconds for x in one if math.isfinite(x)), default=0.0)
    unit, length = next(
        ((unit, length) for unit, length in (("h", 3600), ("min", 60)) if longest > 3 * length), ("s", 1)
    )
    time = [[x / length for x in one] for one in seconds]
    every = (("step", "step", steps), ("tokens", "tokens", tokens), ("time", f"time in steps, {unit}", time))
    return [one for one in every if any(map(_says_anything, one[2]))]


def _chart(
    runs: Sequence[tuple[Mark, Lines]],
    axes: Sequence[tuple[str, str, list[list[float]]]],
    key: str,
    title: str,
    label: str,
    noisy: bool,
) -> Overlaid | None:
    columns = [[fmt.number(line.get(key)) for line in lines] for _, lines in runs]
    known = [y for column in columns for y in column if y is not None]
    if not known:
        return None
    real = finite(known)
    log = bool(real) and min(real) > 0 and max(real) / median(real) > WIDE
    share = min(MOST, max(FEWEST, POINTS // len(runs)))
    parts = [
        (index, part)
        for index, column in enumerate(columns)
        for part in _parts(column, noisy and len(column) >= SMOOTH_FROM, share)
    ]
    drawings = []
    for name, x_label, x in axes:
        lines = [
            Line(runs[index][0], tuple(x[index][i] for i in kept), tuple(y), kind)
            for index, (kind, kept, y) in parts
            if _says_anything(x[index])
        ]
        drawn = overlay_chart(lines, title, x_label, label, log=log, whole=name == "step")
        drawings.append((name, drawn))
    return Overlaid(title, "logarithmic" if log else "", tuple(drawings))


def _parts(column: Sequence[float | None], smooth: bool, most: int):
    """(kind, indices of the lines that it goes through, values) of one run's lines in a chart."""
    there = [i for i, y in enumerate(column) if y is not None]
    if not there:
        return
    y = tuple(column[i] for i in there)
    kept = kept_points(y, most)
    yield "raw" if smooth else "", [there[i] for i in kept], [y[i] for i in kept]
    if smooth:
        even = smoothed(Series("", tuple(map(float, there)), y), "").y
        kept = kept_points(even, int(most * SMOOTH_SHARE))
        yield "smooth", [there[i] for i in kept], [even[i] for i in kept]


def _says_anything(x: Sequence[float]) -> bool:
    return any(map(math.isfinite, x))


def _number(line: Mapping[str, Any], key: str, otherwise: float = math.nan) -> float:
    found = fmt.number(line.get(key))
    return otherwise if found is None else found
