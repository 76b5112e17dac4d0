"""Evaluations of many runs beside each other: a chart a measure, and the same as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ftcore.report import format as fmt
from ftcore.report import svg
from ftcore.report.axes import furnish
from ftcore.report.charts import Share, bar
from ftcore.report.comparison import NAMES, measure_name, share_of
from ftcore.report.palette import MOST, Mark
from ftcore.report.standing import Entry, side
from ftcore.report.summary import child

WIDTH = 440
LABEL_CELLS = 44
"""Width of a run's name in a chart, in cells of a terminal: a Han character takes two."""


@dataclass(frozen=True)
class Row:
    """The bars of one run; `mark` is None for the base that all of them started from."""

    mark: Mark | None
    label: str
    base: Share | None
    tuned: Share | None


@dataclass(frozen=True)
class Measured:
    """One measure of all runs: its chart, and for the table (share, interval and count) of base and tuned
    of each."""

    label: str
    svg: str
    cells: tuple[tuple[tuple[str, str], tuple[str, str]], ...]


@dataclass(frozen=True)
class SideBySide:
    """What the page shows of all evaluations; `caution` says why shares may not be comparable."""

    datasets: str
    caution: str
    measures: tuple[Measured, ...]


def side_by_side(entries: Sequence[Entry], marks: Sequence[Mark], names: Sequence[str]) -> SideBySide | None:
    """The view of the runs' evaluations, or None where no run has any measure."""
    sides = [(side(entry, "base"), side(entry, "tuned")) for entry in entries]
    keys = dict.fromkeys((*NAMES, *(key for pair in sides for one in pair for key in one)))
    shares = {
        key: [(share_of(base.get(key)), share_of(tuned.get(key))) for base, tuned in sides] for key in keys
    }
    shares = {key: found for key, found in shares.items() if any(a or b for a, b in found)}
    if not shares:
        return None
    measures = []
    for key, found in shares.items():
        cells = tuple(
            (_cell(base.get(key), a), _cell(tuned.get(key), b))
            for (base, tuned), (a, b) in zip(sides, found, strict=True)
        )
        measures.append(Measured(measure_name(key), _chart(measure_name(key), found, marks, names), cells))
    datasets = dict.fromkeys(fmt.text((one.evaluation or {}).get("dataset")) for one in entries)
    return SideBySide(", ".join(filter(None, datasets)), _caution(entries), tuple(measures))


def _caution(entries: Sequence[Entry]) -> str:
    measured = [one.evaluation for one in entries if isinstance(one.evaluation, Mapping) and one.evaluation]
    asked = [(one.get("dataset"), child(one, "settings")) for one in measured]
    if any(one != asked[0] for one in asked[1:]):
        return "Not all were measured on the same cases with the same settings: shares differ for that too."
    return ""


def _chart(label: str, found: Sequence[tuple[Share | None, Share | None]], marks, names) -> str:
    """One base for all where they started from the same, so that what differs is seen alone."""
    bases = [base for base, _ in found if base is not None]
    one_base = len(bases) > 1 and all(base == bases[0] for base in bases)
    every = [one for one in zip(found, marks, names, strict=True) if any(one[0])]
    # Of very many, the page's table has the rest.
    shown = every if len(every) <= MOST else [one for one in every if one[1].place is not None]
    rows = [Row(None, "base of all", bases[0], None)] if one_base else []
    rows += [
        Row(mark, f"{mark.number}  {clipped(name)}", None if one_base else base, tuned)
        for (base, tuned), mark, name in shown
    ]
    return measure_chart(label, rows)


def measure_chart(title: str, rows: Sequence[Row]) -> str:
    """Inline `<svg>` of horizontal bars from 0 to 100 per cent with 95 % intervals, a name above each."""
    from matplotlib.figure import Figure

    heights = [24 + 16 * max(1, (row.base is not None) + (row.tuned is not None)) for row in rows]
    top, bottom = 4, 26
    whole = sum(heights)
    height = top + bottom + whole
    with svg.drawing():
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        axes = figure.add_axes((0.01, bottom / height, 0.87, whole / height))
        axes.set_xlim(0, 1)
        axes.set_ylim(whole, 0)
        y = 0
        for row, taken in zip(rows, heights, strict=True):
            axes.text(0, y + 9, fmt.text(row.label), color=svg.TEXT, va="center")
            at = y + 24
            if row.base is not None:
                bar(axes, at, row.base, svg.SECONDARY)
                at += 16
            if row.tuned is not None:
                bar(axes, at, row.tuned, svg.SECONDARY if row.mark is None else row.mark.sentinel)
            y += taken
        furnish(axes)
        axes.grid(False)
        axes.grid(True, axis="x", color=svg.GRID, linewidth=0.8)
        axes.set_yticks([])
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
        spoken = "; ".join(_spoken(row) for row in rows)
        return svg.inline(figure, fmt.text(f"{title}: {spoken}"), repr((title, rows)))


def clipped(name: str, cells: int = LABEL_CELLS) -> str:
    """`name` in at most so many cells, its middle left out: names often differ at their end."""
    if _cells(name) <= cells:
        return name
    tail = max(i for i in range(len(name)) if _cells(name[-i:] if i else "") <= cells // 3)
    head = max(i for i in range(len(name)) if _cells(name[:i]) <= cells - cells // 3 - 1)
    return f"{name[:head]}…{name[len(name) - tail :]}"


def _cells(text: str) -> int:
    return sum(2 if ord(one) >= 0x1100 else 1 for one in text)


def _spoken(row: Row) -> str:
    sides = (("base", row.base), ("tuned", row.tuned))
    return ", ".join([row.label, *(f"{name} {fmt.percent(share.value)}" for name, share in sides if share)])


def _cell(measure, share: Share | None) -> tuple[str, str]:
    """The share, and beneath it its interval and count."""
    if share is None:
        return fmt.MISSING, ""
    parts = []
    if share.low is not None and share.high is not None:
        parts.append(f"{share.low * 100:.0f} to {share.high * 100:.0f}%")
    total = measure.get("total", measure.get("of"))
    if measure.get("count") is not None and total is not None:
        parts.append(f"{fmt.whole(measure['count'])} of {fmt.whole(total)}")
    return fmt.percent(share.value), ", ".join(parts)
