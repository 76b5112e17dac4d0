"""All trials as lines through parallel axes, one axis a key and the last one the result, as inline SVG.

Every line carries the class `tN` of trial N, by which the page's script finds it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftcore.report import format as fmt
from ftcore.report import svg
from ftcore.report.sweep.scale import KeyAxis, ResultScale
from ftcore.sweeps.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT, WIDTH = 360, 1060
SPREAD = 0.05
"""Of the axis: trials of one value lie beside each other, best first, so that the value's results show."""

BEST = 8
LABEL = 22


def parallel_chart(
    rows: Sequence[Row], axes: Sequence[KeyAxis], scale: ResultScale, label: str, ranking: Sequence[Row]
) -> str:
    """Inline `<svg>`; `ranking` are the rows with a result, best first. Same arguments, same bytes.

    Trials that failed end before the axis of the result; pruned and unfinished ones are left out.
    """
    from matplotlib.figure import Figure

    order = {row.number: index for index, row in enumerate(ranking)}
    with svg.drawing():
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72)
        plot = figure.add_axes((0.03, 0.05, 0.90, 0.82))
        plot.set_xlim(-0.12, len(axes) + 0.12)
        plot.set_ylim(0, 1)
        plot.axis("off")
        figure.patch.set_visible(False)
        for row in rows:
            if row.state == "failed":
                y = [_spread(axis, row, 0.5) for axis in axes]
                style = {"color": svg.BAD, "linewidth": 0.9, "alpha": 0.75}
                # A line has two ends: of one axis there is a stub.
                x = [*range(len(axes)), len(axes) - 0.75]
                plot.plot(x, [*y, y[-1]], gid=f"{svg.CLASS}line failed t{row.number}", dashes=(3, 2), **style)
        crowd = len(ranking)
        for row in reversed(ranking):
            place = order[row.number]
            y = [_spread(axis, row, place / max(1, crowd - 1) if crowd > 1 else 0.5) for axis in axes]
            y.append(_height(row.value or 0.0, scale))
            width = 2.4 if place == 0 else 1.5 if place < BEST or crowd <= 60 else 0.8
            alpha = 1.0 if place < BEST or crowd <= 60 else 0.75 if crowd <= 250 else 0.5
            color = svg.SCALE[scale.shade(row.value or 0.0)]
            style = {"color": color, "linewidth": width, "alpha": alpha}
            plot.plot(range(len(axes) + 1), y, gid=f"{svg.CLASS}line t{row.number}", **style)
        for index, axis in enumerate(axes):
            _axis(plot, index, axis.key, axis.ticks())
        _axis(plot, len(axes), label, _result_ticks(scale), last=True)
        spoken = fmt.text(f"{len(ranking)} trials through {', '.join(axis.key for axis in axes)} to {label}")
        return svg.inline(figure, spoken, repr((axes, scale, label, [row.run for row in rows])))


def _axis(plot: "Axes", x: int, label: str, ticks: Sequence[tuple[float, str]], last: bool = False) -> None:
    plot.plot((x, x), (0, 1), color=svg.AXIS, linewidth=1)
    shown = label if len(label) <= LABEL else f"…{label[-LABEL + 1 :]}"
    plot.text(x, 1.04, fmt.text(shown), color=svg.TEXT, ha="center", va="bottom", weight="bold")
    box = {"facecolor": svg.PAPER, "edgecolor": "none", "alpha": 0.82, "pad": 1.5}
    taken: list[float] = []
    for place, text in ticks:
        if not math.isfinite(place) or any(abs(place - other) < 0.045 for other in taken):
            continue
        taken.append(place)
        plot.plot((x, x + 0.02), (place, place), color=svg.AXIS, linewidth=1)
        short = text if len(text) <= LABEL else f"{text[: LABEL - 1]}…"
        plot.text(x + 0.035, place, fmt.text(short), color=svg.TEXT, ha="left", va="center", bbox=box)


def _spread(axis: KeyAxis, row: Row, share: float) -> float:
    place = axis.place(row.point[axis.key])
    return place + (SPREAD * (0.5 - share) if axis.discrete else 0.0)


def _height(value: float, scale: ResultScale) -> float:
    """The smaller value lies lower, as everywhere."""
    low, high = sorted((scale.best, scale.worst))
    return 0.5 if high == low else 0.04 + 0.92 * (scale.inside(value) - low) / (high - low)


def _result_ticks(scale: ResultScale) -> list[tuple[float, str]]:
    values = [scale.best + (scale.worst - scale.best) * part / 4 for part in range(5)]
    texts = [fmt.significant(value) for value in values]
    if scale.clipped:
        texts[-1] += " or worse"
    return [(_height(value, scale), text) for value, text in zip(values, texts, strict=True)]
