"""One measure of many runs on one pair of axes, as inline SVG that the page's own switches can change.

Every line carries classes: `r3` for the third run, `raw` or `smooth` where there are both, `rest` where the
run is one of those drawn grey. The legend is the page's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftcore.report import format as fmt
from ftcore.report import svg
from ftcore.report.axes import furnish, plain_log_ticks, tick_formatter
from ftcore.report.palette import Mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 440
HEIGHT = 240
MOST_CROSSES = 24
ROUND = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Line:
    """One run's line: `y` over `x`, equally long; a value that is not finite is a gap, marked by a cross.

    `kind` is `raw` or `smooth` where both are drawn and the page shows one of them, else empty.
    """

    mark: Mark
    x: tuple[float, ...]
    y: tuple[float, ...]
    kind: str = ""


def overlay_chart(
    lines: Sequence[Line], title: str, x_label: str, y_label: str, *, log: bool = False, whole: bool = False
) -> str:
    """Inline `<svg>` of the lines; same arguments, same bytes. `whole` is for an x that counts steps.

    With `log`, values of zero and below are gaps. Otherwise an axis of nothing negative starts at zero where
    that costs it little.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with svg.drawing():
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72)
        axes = figure.add_axes((0.125, 0.165, 0.85, 0.725))
        if log:
            axes.set_yscale("log")
        # The grey ones first, and the first run last: what is looked at lies on top.
        for line in sorted(lines, key=lambda one: (one.mark.place is not None, -one.mark.number)):
            _draw(axes, line, log)
        seen = [y for line in lines for y in line.y if _visible(y, log)]
        if not seen:
            axes.set_yticks([])
            axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center", color=svg.TEXT)
        elif log:
            plain_log_ticks(axes)
        else:
            if 0 <= min(seen) < 0.5 * max(seen):
                axes.set_ylim(bottom=0)
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=ROUND))
            axes.yaxis.set_major_formatter(tick_formatter())
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=ROUND, integer=whole))
        axes.xaxis.set_major_formatter(tick_formatter())
        axes.margins(x=0.02)
        furnish(axes)
        axes.text(0, 1.05, fmt.text(y_label), transform=axes.transAxes, color=svg.TEXT, va="bottom")
        beneath = {"transform": axes.transAxes, "ha": "right", "va": "top"}
        axes.text(1, -0.125, fmt.text(x_label), color=svg.TEXT, **beneath)
        runs = len({line.mark.number for line in lines})
        spoken = fmt.text(f"{title} by {x_label}, {runs} {'run' if runs == 1 else 'runs'}")
        return svg.inline(figure, spoken, repr((title, x_label, y_label, log, lines)))


def _draw(axes: "Axes", line: Line, log: bool) -> None:
    mark, y = line.mark, [value if _visible(value, log) else math.nan for value in line.y]
    classes = f"{svg.CLASS}line {line.kind} {mark.classes}".replace("  ", " ")
    width = 0.9 if mark.place is None else 1.6
    style = {"color": mark.sentinel, "linewidth": width, "gid": classes}
    if mark.dash:
        # matplotlib counts dashes in widths of the line.
        style["dashes"] = [length / width * 1.4 for length in mark.dash]
    few = sum(map(math.isfinite, y)) <= 2
    axes.plot(line.x, y, marker="o" if few else "", markersize=4.5, **style)
    bad = [x for x, value in zip(line.x, line.y, strict=True) if not math.isfinite(value)]
    if bad and line.kind != "smooth":
        bad = bad[:: math.ceil(len(bad) / MOST_CROSSES)]
        crosses = {"linestyle": "", "marker": "x", "markersize": 5, "clip_on": False}
        where = {"transform": axes.get_xaxis_transform(), "color": mark.sentinel}
        axes.plot(bad, [0] * len(bad), gid=f"{svg.CLASS}crosses {mark.classes}", **crosses, **where)


def _visible(value: float, log: bool) -> bool:
    return math.isfinite(value) and (value > 0 or not log)
