"""What each key does by itself: every trial's result over the key's value, and the means, as inline SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.cells import cell_len

from ftcore.report import format as fmt
from ftcore.report import svg
from ftcore.report.axes import furnish, tick_formatter
from ftcore.report.sweep.scale import KeyAxis, ResultScale
from ftcore.sweeps.importance import levels
from ftcore.sweeps.table import Row

WIDTH, HEIGHT = 440, 210
DOTS = 250
"""Drawn of one chart; of more every so-manieth by rank, the best and the worst among them."""

MOST_CROSSES = 24
SPREAD = 0.04
LABEL = 14


@dataclass(frozen=True)
class Effect:
    """One chart, and its finding in words."""

    key: str
    note: str
    svg: str


def effect(
    rows: Sequence[Row], ranking: Sequence[Row], axis: KeyAxis, scale: ResultScale, label: str
) -> Effect:
    """Of one key; `ranking` are the rows with a result, best first. Same arguments, same bytes."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    means = _means(ranking, axis)
    with svg.drawing():
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72)
        plot = figure.add_axes((0.125, 0.12, 0.85, 0.76))
        plot.set_xlim(0, 1)
        dots = _thinned(ranking)
        x = [_beside(axis, row, index) for index, row in enumerate(dots)]
        y = [scale.inside(row.value or 0.0) for row in dots]
        dot = {"linestyle": "", "marker": "o", "markeredgewidth": 0}
        plot.plot(x, y, color=svg.SECONDARY, markersize=4, alpha=0.75, **dot)
        plot.plot(*zip(*means, strict=True), color=svg.PRIMARY, linewidth=1.8, marker="o", markersize=4.5)
        best = ranking[0]
        spot = (axis.place(best.point[axis.key]), scale.inside(best.value or 0.0))
        plot.plot(*([one] for one in spot), color=svg.TEXT, marker="*", markersize=10, markeredgewidth=0)
        failed = [axis.place(row.point[axis.key]) for row in rows if row.state == "failed"]
        failed = sorted({round(place, 4) for place in failed if math.isfinite(place)})
        if failed:
            failed = failed[:: math.ceil(len(failed) / MOST_CROSSES)]
            cross = {"linestyle": "", "marker": "x", "color": svg.BAD, "markersize": 5, "clip_on": False}
            plot.plot(failed, [0] * len(failed), transform=plot.get_xaxis_transform(), **cross)
        plot.margins(y=0.08)
        plot.yaxis.set_major_locator(MaxNLocator(5))
        plot.yaxis.set_major_formatter(tick_formatter())
        places, texts = _apart(axis.ticks())
        plot.set_xticks(places, [fmt.text(text) for text in texts])
        furnish(plot)
        plot.text(0, 1.05, fmt.text(label), transform=plot.transAxes, color=svg.TEXT, va="bottom")
        spoken = fmt.text(f"{label} by {axis.key}, {len(ranking)} trials")
        drawn = svg.inline(figure, spoken, repr((axis, scale, label, [row.run for row in ranking])))
    return Effect(axis.key, _note(axis, scale), drawn)


def _note(axis: KeyAxis, scale: ResultScale) -> str:
    parts = ["logarithmic"] * axis.log
    parts += ["results beyond the frame lie at its edge"] * scale.clipped
    return ", ".join(parts)


def _means(ranking: Sequence[Row], axis: KeyAxis) -> list[tuple[float, float]]:
    """Place and mean result of each value, or of each stretch of many; in order of place."""
    level = levels([row.point for row in ranking], axis.key)
    groups: dict[int, list[tuple[float, float]]] = {}
    for one, row in zip(level, ranking, strict=True):
        groups.setdefault(one, []).append((axis.place(row.point[axis.key]), row.value or 0.0))
    found = [(fmean(place for place, _ in group), fmean(y for _, y in group)) for group in groups.values()]
    return sorted(point for point in found if all(map(math.isfinite, point)))


def _thinned(ranking: Sequence[Row]) -> list[Row]:
    step = max(1, math.ceil(len(ranking) / DOTS))
    return [*ranking[::step], *ranking[-1:]] if step > 1 else [*ranking]


def _beside(axis: KeyAxis, row: Row, index: int) -> float:
    """Trials of one value a little apart: by the golden ratio, which never lines up."""
    share = (index * 0.618034) % 1 - 0.5
    return axis.place(row.point[axis.key]) + (SPREAD * share if axis.discrete else 0.0)


def _apart(ticks: Sequence[tuple[float, str]]) -> tuple[list[float], list[str]]:
    """Ticks whose labels, about as wide as they are long, do not run into each other."""
    places: list[float] = []
    texts: list[str] = []
    room = max(4, min(LABEL, int(66 / max(1, len(ticks)))))
    end = -1.0
    for place, text in sorted(ticks):
        short = _cut(text, room)
        half = cell_len(short) * 0.0115
        if math.isfinite(place) and place - half > end:
            places.append(place)
            texts.append(short)
            end = place + half
    return places, texts


def _cut(text: str, room: int) -> str:
    """`text` in so many cells, of which Han characters take two."""
    while cell_len(text) > room:
        text = f"{text.rstrip('…')[:-1]}…"
    return text
