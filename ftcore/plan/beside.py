"""Seconds of a job beside its training steps: all roughly, each from a rate that is assumed or measured once.

Loading and starting, preparing data, checkpoints, merging, evaluation.
"""

from dataclasses import dataclass
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.host import Disk
from ftcore.plan.parts import SIZE, Parts
from ftcore.plan.rates import Rates
from ftcore.plan.work import linear_weights

START = 40.0
"""Of python, torch and the libraries around it on every rank, and of NCCL's first meeting. Assumed."""

DISK = 1e9
"""Bytes a second, read or written. Assumed: a shared file system may have a tenth, a local drive thrice."""

PREPARED = 700e3
"""Tokens a second and process that are prepared (docs/measured.md, "Preparing data")."""

GENERATING = 0.4
"""Share of the memory's bandwidth that generating uses: every token of a batch reads all weights. Assumed."""

FORWARD = 0.3
"""Share of a training layer's kernel launches that generating a token has. Assumed."""

EVERY_CASE = 200
"""Cases where all are asked for: as many as BFCL has of `multiple`."""

SPREAD = 3.0
"""Each of them may take a third of it, or three times as much."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Seconds of the whole job."""

    parts: dict[str, float]

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())


def beside(
    e: Experiment, a: Architecture, p: Parts, data: dict[str, Any], disk: Disk, saved: int, rates: Rates
) -> Beside:
    """With `saved` checkpoints, on a card of `rates`."""
    weights = p.weights * a.parameters
    parts = {"start and load": START + weights / DISK}
    if data["basis"] != "prepared" and data["tokens"]:
        parts["prepare"] = data["tokens"] / PREPARED
    parts["checkpoints"] = saved * disk.checkpoint / DISK
    if e.lora.method != "full" and e.export.merge:
        parts["merge"] = 2 * weights / DISK
    if e.evaluation.kind != "none":
        parts["evaluation"] = _evaluation(e, a, rates)
    return Beside(parts)


def _evaluation(e: Experiment, a: Architecture, rates: Rates) -> float:
    """Base and tuned model; a token of a batch takes the longest of reading all weights, computing with them
    and starting the kernels."""
    given, stock = e.evaluation, rates.kernels.get("stock") or next(iter(rates.kernels.values()))
    cases = (given.cases or EVERY_CASE) + (given.refusal_cases or EVERY_CASE)
    batches = -(-cases // given.batch_size)
    token = max(
        SIZE[e.precision.dtype] * a.parameters / (GENERATING * rates.memory),
        2 * given.batch_size * linear_weights(a) / stock.linear,
        FORWARD * a.layers * stock.launch,
    )
    return 2 * batches * given.max_new_tokens * token
