"""What metrics.jsonl says over the steps, as charts and warnings."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ftcore.report import format as fmt
from ftcore.report.charts import Series, line_chart

SMOOTH_FROM = 20


@dataclass(frozen=True)
class Chart:
    """A drawn chart with the title and the one-line note that the page sets around it."""

    title: str
    note: str
    svg: str


def by_step(metrics: Iterable[Any]) -> tuple[Mapping[str, Any], ...]:
    """The lines in order of step. A resumed run repeats steps: what the newest attempt wrote counts."""
    lines: dict[float, Mapping[str, Any]] = {}
    for line in metrics:
        step = fmt.number(line.get("step")) if isinstance(line, Mapping) else None
        if step is not None and math.isfinite(step):
            lines[step] = line
    return tuple(lines[step] for step in sorted(lines))


def column(lines: Sequence[Mapping[str, Any]], key: str) -> Series:
    """One key over the steps, without the lines that have no number there."""
    points = [(line["step"], fmt.number(line.get(key))) for line in lines]
    kept = [(float(x), y) for x, y in points if y is not None]
    return Series(key, tuple(x for x, _ in kept), tuple(y for _, y in kept))


def finite(values: Iterable[float]) -> list[float]:
    """The values that are neither NaN nor infinite."""
    return [value for value in values if math.isfinite(value)]


def charts(lines: Sequence[Mapping[str, Any]]) -> tuple[Chart, ...]:
    """Loss, learning rate, throughput and gradient norm, each only where the run wrote it."""
    drawn = (_loss(lines), _rate(lines), _throughput(lines), _gradient(lines))
    return tuple(chart for chart in drawn if chart is not None)


def trouble(lines: Sequence[Mapping[str, Any]]) -> str:
    """A sentence about steps whose loss was not finite, or the empty string."""
    loss = column(lines, "loss")
    bad = [x for x, y in zip(loss.x, loss.y, strict=True) if not math.isfinite(y)]
    if not bad:
        return ""
    steps = f"step {bad[0]:.0f}"
    if len(bad) > 1:
        steps = f"{len(bad)} of {len(loss.x)} steps, first at {steps}"
    return f"The loss was not finite (NaN or infinite) on {steps}."


def smoothed(series: Series, label: str) -> Series:
    """Mean over the steps around each step, which unlike a running average does not lag behind the curve.

    At the steep start the window shrinks on both sides alike; at the end only its later half does, so that
    the line does not end on the noise of one step. A gap stays a gap and leaves its neighbours alone.
    """
    reach, count = max(2, len(series.y) // 40), len(series.y)
    sums, known = [0.0], [0]
    for value in series.y:
        real = math.isfinite(value)
        sums.append(sums[-1] + (value if real else 0.0))
        known.append(known[-1] + real)
    out = []
    for index, value in enumerate(series.y):
        before = min(reach, index)
        first, last = index - before, min(index + before, count - 1) + 1
        mean = (sums[last] - sums[first]) / (known[last] - known[first]) if math.isfinite(value) else math.nan
        out.append(mean)
    return Series(label, series.x, tuple(out))


def _loss(lines: Sequence[Mapping[str, Any]]) -> Chart | None:
    loss = column(lines, "loss")
    if not loss.x:
        return None
    series = [loss]
    if len(loss.x) >= SMOOTH_FROM:
        series = [Series("each step", loss.x, loss.y, faint=True), smoothed(loss, "smoothed")]
    real = finite(loss.y)
    note = f"{_ends(real)}, lowest {fmt.significant(min(real))}" if real else "no finite value"
    if 0 < len(real) < len(loss.y):
        note += ", without the steps marked ×"
    return Chart("Loss", note, line_chart(series, "Loss", "step", "loss"))


def _rate(lines: Sequence[Mapping[str, Any]]) -> Chart | None:
    rate = column(lines, "lr")
    real = finite(rate.y)
    if not real:
        return None
    peak = rate.x[rate.y.index(max(real))]
    note = f"peak {fmt.significant(max(real), 3)} at step {peak:.0f}"
    return Chart("Learning rate", note, line_chart([rate], "Learning rate", "step", "lr", from_zero=True))


def _throughput(lines: Sequence[Mapping[str, Any]]) -> Chart | None:
    speed = column(lines, "tokens_per_second")
    real = finite(speed.y)
    if not real:
        return None
    drawn = line_chart([speed], "Throughput", "step", "tokens / s", from_zero=True)
    return Chart("Throughput", f"median {fmt.compact(median(real))} tokens/s", drawn)


def _gradient(lines: Sequence[Mapping[str, Any]]) -> Chart | None:
    norm = column(lines, "grad_norm")
    if not norm.x:
        return None
    real = finite(norm.y)
    wide = bool(real) and min(real) > 0 and max(real) / median(real) > 50
    note = ""
    if real:
        note = f"median {fmt.significant(median(real), 3)}, highest {fmt.significant(max(real), 3)}"
    title = "Gradient norm" + (", logarithmic" if wide else "")
    return Chart(title, note, line_chart([norm], title, "step", "norm", log=wide, from_zero=not wide))


def _ends(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"one step: {fmt.significant(values[0])}"
    return f"{fmt.significant(values[0])} to {fmt.significant(values[-1])}"
