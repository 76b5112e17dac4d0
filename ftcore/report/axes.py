"""What every chart of a report has in common: frame, grid, ticks, and lines thinned to what can be seen."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftcore.report import format as fmt
from ftcore.report import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def kept_points(y: Sequence[float], most: int) -> list[int]:
    """Indices of at most about `most` values of `y`: of each stretch the lowest and the highest, so that no
    spike is lost, and one that is not finite, so that no gap is."""
    count = len(y)
    if count <= most:
        return list(range(count))
    stretch = math.ceil(2 * count / most)
    kept: set[int] = {0, count - 1}
    for start in range(0, count, stretch):
        indices = range(start, min(start + stretch, count))
        finite = [i for i in indices if math.isfinite(y[i])]
        kept.update([i for i in indices if not math.isfinite(y[i])][:1])
        if finite:
            kept.update((min(finite, key=y.__getitem__), max(finite, key=y.__getitem__)))
    return sorted(kept)


def furnish(axes: "Axes") -> None:
    """No frame but the base line, and a grid behind what is drawn, in the page's colours."""
    axes.patch.set_visible(False)
    axes.figure.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(svg.AXIS)
    axes.tick_params(axis="both", which="both", length=0, pad=5, labelcolor=svg.TEXT)
    axes.grid(True, axis="y", color=svg.GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def plain_log_ticks(axes: "Axes") -> None:
    """A few round labels on a logarithmic y axis, in place of powers of ten with minor ticks."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2 else (1.0, 2.0, 5.0), numticks=6))
    axes.yaxis.set_major_formatter(tick_formatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def tick_formatter():
    """Tick labels as short as they can be while no two of an axis read the same."""
    from matplotlib.ticker import Formatter

    class Shortest(Formatter):
        def __call__(self, value, pos=None):
            return fmt.compact(value)

        def format_ticks(self, values):
            for digits in range(1, 8):
                labels = [fmt.compact(value, digits) for value in values]
                exact = all(math.isclose(float(f"{v:.{digits}g}"), v, rel_tol=1e-9) for v in values)
                if exact and len(set(labels)) == len(labels):
                    break
            return labels if len(values) else []

    return Shortest()
