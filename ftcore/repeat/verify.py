"""Whether a run came out as the one it reproduces: losses step by step, the adapter, the evaluation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ftcore.runs import metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json

TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2, "fp16": 5e-3}
"""Relative difference of losses that another order of summation explains, by the type computed in: some
steps' growth of its rounding (2^-24, 2^-8, 2^-11)."""

Verdict = Literal["identical", "equal within tolerance", "different"]


@dataclass(frozen=True, slots=True)
class Verification:
    """What the comparison found."""

    against: str
    """Id of the run that was reproduced."""

    verdict: Verdict
    steps: int
    """Compared."""

    first_step: int | None
    """The first with another loss; None where all are the same."""

    largest_difference: float
    """Of a loss, relative."""

    tolerance: float
    weights: bool | None
    """Whether the trained weights' files have the same hashes; None where one of the two has none."""

    evaluation: bool | None
    """Whether every reply and score is the same; None where neither was measured."""

    reasons: tuple[str, ...] = ()
    """Why the verdict is not `identical`."""

    def plain(self) -> dict[str, Any]:
        """As the record keeps it."""
        return asdict(self) | {"reasons": list(self.reasons)}


def verify(original: RunDirectory, again: RunDirectory) -> Verification:
    """Compare two finished runs of one experiment."""
    first, second = record.read(original), record.read(again)
    losses = _losses(original), _losses(again)
    step, largest = _compared(*losses)
    tolerance = TOLERANCE.get(first["config"].get("precision", {}).get("dtype"), TOLERANCE["bf16"])
    weights = _same(_weights(first), _weights(second))
    evaluation = _same(_judged(original), _judged(again))
    reasons = []
    if len(losses[0]) != len(losses[1]):
        reasons.append(f"{len(losses[1])} steps, and {len(losses[0])} then")
    if step is not None:
        reasons.append(f"losses differ from step {step} on, by {largest:.1e} at most")
    if weights is False:
        reasons.append("the trained weights have other hashes")
    if evaluation is False:
        reasons.append("the evaluation has other replies or scores")
    return Verification(
        against=original.id,
        verdict=_verdict(bool(reasons), len(losses[0]) == len(losses[1]) and largest <= tolerance),
        steps=min(map(len, losses)),
        first_step=step,
        largest_difference=largest,
        tolerance=tolerance,
        weights=weights,
        evaluation=evaluation,
        reasons=tuple(reasons),
    )


def _verdict(differs: bool, near: bool) -> Verdict:
    if not differs:
        return "identical"
    return "equal within tolerance" if near else "different"


def _losses(run: RunDirectory) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in metrics.read(run.metrics)]


def _compared(first: Sequence[tuple[int, float]], second: Sequence[tuple[int, float]]):
    """The first step that differs, and the largest relative difference of a loss."""
    step, largest = None, 0.0
    for (number, one), (other_number, other) in zip(first, second, strict=False):
        if (number, one) == (other_number, other) or (math.isnan(one) and math.isnan(other)):
            continue
        step = number if step is None else step
        largest = max(largest, _apart(one, other))
    return step, largest


def _apart(one: float, other: float) -> float:
    scale = max(abs(one), abs(other))
    return abs(one - other) / scale if math.isfinite(scale) else math.inf


def _weights(entry: Mapping[str, Any]) -> dict[str, str] | None:
    kinds = (".safetensors", ".bin")
    hashes = {one["path"]: one["sha256"] for one in entry["artifacts"] if one["path"].endswith(kinds)}
    return hashes or None


def _judged(run: RunDirectory) -> Any:
    evaluation = read_json(run.evaluation)
    if evaluation is None:
        return None
    return {
        "scores": [_scores(evaluation.get(who)) for who in ("base", "tuned")],
        "cases": evaluation.get("cases"),
    }


def _scores(measured: Any) -> Any:
    if not isinstance(measured, Mapping):
        return measured
    return {name: value for name, value in measured.items() if name != "seconds"}


def _same(one: Any, other: Any) -> bool | None:
    if one is None and other is None:
        return None
    return one == other
