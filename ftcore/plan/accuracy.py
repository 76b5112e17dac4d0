"""What runs were expected to need and what they needed: the model's error, by the code that trained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

MEASURES = {
    "memory": ("results.predicted.peak_memory_gib", "results.peak_memory_gib"),
    "step_seconds": ("results.predicted.step_seconds", None),
    "steps": ("results.predicted.steps", "results.steps"),
}
"""Measure -> the keys of what was expected and what came. A step's seconds are those of all steps over their
number."""

KEYS = (
    "id", "state", "results.training_seconds", "results.kernels.layers", "config.kernels.layers",
    "config.lora.method", "config.parallelism.strategy", "hardware.accelerator",
    "config.parallelism.deepspeed.zero_optimization.stage", "hardware.card",
    *(key for pair in MEASURES.values() for key in pair if key),
)  # fmt: skip
"""Of a flat record, what `compared` looks at."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Of one run and one measure."""

    run: str
    group: tuple[str, str, str]
    """Layers, method, parallelism."""

    card: str
    measure: str
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """Share by which more was expected than came."""
        return self.predicted / self.measured - 1


@dataclass(frozen=True, slots=True)
class Error:
    """Of several pairs of one measure. median and worst are shares; worst is the one furthest from 0."""

    group: tuple[str, str, str] | None
    measure: str
    runs: int
    median: float
    worst: float
    worst_run: str


def compared(rows: Iterable[Mapping[str, Any]]) -> list[Pair]:
    """The pairs there are in flat records (`KEYS`) of runs that are completed; a CPU has no memory of a card
    to be compared."""
    return [pair for row in rows if row["state"] == "completed" for pair in _pairs(row)]


def errors(pairs: Sequence[Pair]) -> list[Error]:
    """By measure over all, then by group."""
    found = []
    for measure in MEASURES:
        of_it = [pair for pair in pairs if pair.measure == measure]
        groups = sorted({pair.group for pair in of_it})
        if of_it:
            found.append(_error(None, measure, of_it))
        found += [_error(group, measure, [p for p in of_it if p.group == group]) for group in groups]
    return found


def _error(group: tuple[str, str, str] | None, measure: str, pairs: Sequence[Pair]) -> Error:
    worst = max(pairs, key=lambda pair: abs(pair.error))
    middle = median(pair.error for pair in pairs)
    return Error(group, measure, len(pairs), middle, worst.error, worst.run)


def _pairs(row: Mapping[str, Any]) -> list[Pair]:
    layers = row["results.kernels.layers"] or row["config.kernels.layers"] or "?"
    stage = row["config.parallelism.deepspeed.zero_optimization.stage"]
    spread = row["config.parallelism.strategy"] or "?"
    group = (layers, row["config.lora.method"] or "?", f"zero{stage}" if stage else spread)
    pairs = []
    for measure, (expected, came) in MEASURES.items():
        predicted = row[expected]
        measured = row[came] if came else _step_seconds(row)
        if not predicted or not measured or (measure == "memory" and row["hardware.accelerator"] == "cpu"):
            continue
        card = row["hardware.card"] or "?"
        pairs.append(Pair(row["id"], group, card, measure, predicted, measured))
    return pairs


def _step_seconds(row: Mapping[str, Any]) -> float | None:
    seconds, steps = row["results.training_seconds"], row["results.steps"]
    return seconds / steps if seconds and steps else None
