"""Line and bar charts as inline SVG, drawn with matplotlib's object interface.

The title is the chart's spoken label and is not drawn: the page sets it in its own type above the chart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftcore.report import format as fmt
from ftcore.report import svg
from ftcore.report.axes import furnish, kept_points, plain_log_ticks, tick_formatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 440
HEIGHT = 220
MOST_POINTS = 1000


@dataclass(frozen=True)
class Series:
    """One line: `y` over `x`, equally long. A value that is not finite breaks the line and is marked."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    faint: bool = False

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.label!r}: {len(self.x)} x values against {len(self.y)} y values")


@dataclass(frozen=True)
class Share:
    """A share of one, with the ends of its 95 % interval where they are known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Pair:
    """One measure before and after; None where it was not measured."""

    label: str
    base: Share | None
    tuned: Share | None


def line_chart(
    series: Sequence[Series],
    title: str,
    x_label: str,
    y_label: str,
    log: bool = False,
    *,
    from_zero: bool = False,
) -> str:
    """Inline `<svg>` of the series on one pair of axes. Same arguments, same bytes.

    With `log`, values of zero and below cannot be shown and count as gaps.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, MaxNLocator

    with svg.drawing():
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72)
        axes = figure.add_axes((0.125, 0.18, 0.85, 0.70))
        if log:
            axes.set_yscale("log")
        shown = [_finite(one, log) for one in series]
        handles = [_line(axes, one, index) for index, one in enumerate(shown)]
        if not any(any(map(math.isfinite, one.y)) for one in shown):
            axes.set_yticks([])
            axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center", color=svg.TEXT)
        elif not log:
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_formatter(tick_formatter())
            if from_zero:
                axes.set_ylim(bottom=0)
        else:
            plain_log_ticks(axes)
        steps = {x for one in series for x in one.x}
        axes.xaxis.set_major_locator(
            FixedLocator(sorted(steps)) if len(steps) == 1 else MaxNLocator(6, integer=True)
        )
        axes.xaxis.set_major_formatter(tick_formatter())
        axes.margins(x=0.02)
        _mark_gaps(axes, series)
        furnish(axes)
        axes.text(0, 1.05, fmt.text(y_label), transform=axes.transAxes, color=svg.TEXT, va="bottom")
        beneath = {"transform": axes.transAxes, "ha": "right", "va": "top"}
        axes.text(1, -0.135, fmt.text(x_label), color=svg.TEXT, **beneath)
        if len(shown) > 1:
            _legend(axes, handles, [one.label for one in shown])
        seed = repr((title, x_label, y_label, log, series))
        return svg.inline(figure, _spoken(title, x_label, shown), seed)


def bar_chart(pairs: Sequence[Pair], title: str, base_label: str = "base", tuned_label: str = "tuned") -> str:
    """Inline `<svg>` of horizontal bars, base above tuned for each measure, from 0 to 100 per cent."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    top, bottom, row = 26, 26, 58
    height = top + bottom + row * max(1, len(pairs))
    with svg.drawing():
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        axes = figure.add_axes((0.01, bottom / height, 0.87, (height - top - bottom) / height))
        axes.set_xlim(0, 1)
        axes.set_ylim(row * max(1, len(pairs)), 0)
        for index, pair in enumerate(pairs):
            y = index * row
            axes.text(0, y + 10, fmt.text(pair.label), color=svg.TEXT, va="center")
            bar(axes, y + 24, pair.base, svg.SECONDARY)
            bar(axes, y + 40, pair.tuned, svg.PRIMARY)
        furnish(axes)
        axes.grid(False)
        axes.grid(True, axis="x", color=svg.GRID, linewidth=0.8)
        axes.set_yticks([])
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
        patches = [Patch(color=svg.SECONDARY), Patch(color=svg.PRIMARY)]
        _legend(axes, patches, [base_label, tuned_label])
        return svg.inline(figure, _spoken_pairs(title, pairs, base_label, tuned_label), repr((title, pairs)))


def _finite(series: Series, log: bool) -> Series:
    y = tuple(v if math.isfinite(v) and (v > 0 or not log) else math.nan for v in series.y)
    kept = kept_points(y, MOST_POINTS)
    return Series(series.label, tuple(series.x[i] for i in kept), tuple(y[i] for i in kept), series.faint)


def _line(axes: "Axes", series: Series, index: int):
    color = svg.FAINT if series.faint else svg.PRIMARY if index < 2 else svg.SECONDARY
    few = sum(map(math.isfinite, series.y)) <= 2
    width = 1 if series.faint or (len(series.y) > 200 and index == 0) else 1.8
    (line,) = axes.plot(
        series.x, series.y, color=color, linewidth=width, marker="o" if few else "", markersize=5
    )
    return line


def _mark_gaps(axes: "Axes", series: Sequence[Series]) -> None:
    """A cross on the base line wherever a value was not finite: a gap alone is easily overlooked."""
    steps = sorted({x for one in series for x, y in zip(one.x, one.y, strict=True) if not math.isfinite(y)})
    steps = steps[:: math.ceil(len(steps) / 200) or 1]
    if steps:
        style = {"linestyle": "", "marker": "x", "color": svg.BAD, "markersize": 5, "clip_on": False}
        axes.plot(steps, [0] * len(steps), transform=axes.get_xaxis_transform(), **style)


def bar(axes: "Axes", y: float, share: Share | None, color: str) -> None:
    """A horizontal bar centred on `y` with its interval and, right of the frame, its per cent."""
    if share is None or not math.isfinite(share.value):
        axes.text(1.02, y, fmt.MISSING, color=svg.TEXT, va="center")
        return
    axes.barh(y, share.value, height=12, color=color, linewidth=0)
    if share.low is not None and share.high is not None:
        low, high = share.low, share.high
        x = (low, low, low, high, high, high)
        ends = (y - 3.5, y + 3.5, y, y, y - 3.5, y + 3.5)
        # A rim in the card's colour keeps the whisker readable on top of its own bar.
        for stroke, width in ((svg.PAPER, 3.2), (svg.TEXT, 1.3)):
            axes.plot(x, ends, color=stroke, linewidth=width, clip_on=False)
    axes.text(1.02, y, fmt.percent(share.value), color=svg.TEXT, va="center")


def _legend(axes: "Axes", handles: list, labels: Sequence[str]) -> None:
    legend = axes.legend(
        handles,
        ["x" * max(4, len(label)) for label in labels],
        loc="lower right",
        bbox_to_anchor=(1.01, 1.0),
        ncols=len(labels),
        frameon=False,
        handlelength=1.1,
        handletextpad=0.5,
        columnspacing=2.4,
        borderaxespad=0.1,
        fontsize=svg.FONT_SIZE,
        labelcolor=svg.TEXT,
    )
    # Set afterwards: matplotlib leaves out of a legend every label that begins with an underscore.
    for shown, label in zip(legend.get_texts(), labels, strict=True):
        shown.set_text(fmt.text(label))


def _spoken(title: str, x_label: str, series: Sequence[Series]) -> str:
    parts = []
    for one in series:
        finite = [v for v in one.y if math.isfinite(v)]
        if finite:
            first, last = fmt.significant(finite[0]), fmt.significant(finite[-1])
            parts.append(f"{one.label} from {first} to {last}")
        else:
            parts.append(f"{one.label} has no finite values")
    return fmt.text(f"{title} by {x_label}: " + "; ".join(parts))


def _spoken_pairs(title: str, pairs: Sequence[Pair], base_label: str, tuned_label: str) -> str:
    def said(share: Share | None) -> str:
        return "not measured" if share is None else fmt.percent(share.value)

    parts = [f"{p.label} {base_label} {said(p.base)}, {tuned_label} {said(p.tuned)}" for p in pairs]
    return fmt.text(f"{title}: " + "; ".join(parts))
