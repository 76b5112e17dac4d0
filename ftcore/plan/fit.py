"""The most that fits a card, or the fewest nodes that make it fit, by the memory model alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ftcore.config.errors import Problem, RequestError
from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.memory import memory

Turned = Literal["max_length", "micro_batch_size", "nodes"]

TOKENS = 64
"""Lengths are tried in steps of this, times the ranks that share a sequence."""

LONGEST, LARGEST, MOST_NODES = 2**20, 2**12, 2**12
"""Where a search ends that nothing else bounds."""


@dataclass(frozen=True, slots=True)
class Fit:
    """`value` is what fits best, at a peak of `peak` bytes; None where nothing does, and `peak` is then what
    the least demanding one needs. `beyond` is the next one and its peak, which do not fit; None where a bound
    of its own (`bound`) ends the search."""

    key: str
    value: int | None
    peak: int
    beyond: tuple[int, int] | None
    bound: str | None


def fit(e: Experiment, a: Architecture, turned: Turned) -> Fit:
    """The largest max_length or micro_batch_size, or the fewest nodes, at which `e` fits its card.

    RequestError where the card's memory is not known. Peaks rise with length and batch, and fall or stay
    with nodes: the search halves its way.
    """
    card = e.hardware.memory_gib
    if card is None:
        raise RequestError([Problem("hardware.memory_gib", f"--fit {turned} needs the card's memory", "GiB")])
    with_value, values, key, bound = _turn(e, a, turned)

    def peak(at: int) -> int:
        return memory(with_value(values[at]), a).peak.total

    def fits(at: int) -> bool:
        return bool(memory(with_value(values[at]), a).fits(card))

    wanted_first = turned == "nodes"
    # The first place that answers otherwise than the first one does.
    low, high = 0, len(values)
    start = fits(0)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if fits(middle) == start else (low, middle)
    if wanted_first:
        if start:
            return Fit(key, values[0], peak(0), None, None)
        if low == len(values):
            return Fit(key, None, peak(len(values) - 1), None, bound)
        return Fit(key, values[low], peak(low), (values[low - 1], peak(low - 1)), None)
    if not start:
        return Fit(key, None, peak(0), None, None)
    if low == len(values):
        return Fit(key, values[-1], peak(len(values) - 1), None, bound)
    return Fit(key, values[low - 1], peak(low - 1), (values[low], peak(low)), None)


def _turn(
    e: Experiment, a: Architecture, turned: Turned
) -> tuple[Callable[[int], Experiment], range, str, str | None]:
    """(the experiment with a value, the values, their key, what bounds them)."""
    if turned == "max_length":
        step = TOKENS * e.parallelism.sequence_parallel
        stated = e.model.context_length
        bound = f"model.context_length={stated}" if stated else None
        last = stated or LONGEST
        return (lambda n: e.model_copy(update={"max_length": n}), range(step, last + 1, step), turned, bound)
    if turned == "nodes":
        bound = "ranks that share nothing need as much on any number of nodes"
        return (
            lambda n: e.model_copy(update={"nodes": n}), range(1, MOST_NODES + 1), turned,
            None if e.zero_stage else bound,
        )  # fmt: skip

    def batched(n: int) -> Experiment:
        return e.model_copy(update={"data": e.data.model_copy(update={"micro_batch_size": n})})

    return batched, range(1, LARGEST + 1), "data.micro_batch_size", None
