"""One device measured: every case by every set of kernels, and what there is beside them."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch

from ftcore.plan.rates import KernelRates, Measurement, fit
from ftcore.training.calibrate import clock
from ftcore.training.calibrate.cases import Case, Effort
from ftcore.training.calibrate.links import all_reduce
from ftcore.training.calibrate.stack import Stack, build, work_of

FOR_LINKS = 18.0
"""Seconds that ranks of their own take to start, import torch and meet."""


@dataclass(slots=True)
class Found:
    """What a calibration found; `notes` has what was left out, and why."""

    memory: float = 0.0
    """Bytes a second of a copy, read and written."""

    to_host: float | None = None
    link: float | None = None
    optimizer: dict[str, float] = field(default_factory=dict)
    kernels: dict[str, KernelRates] = field(default_factory=dict)
    measurements: dict[str, list[Measurement]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Session:
    """One calibration: what is measured, how long, and who is told."""

    device: str
    """cuda or cpu."""

    dtype: torch.dtype
    cases: Sequence[Case]
    effort: Effort
    ranks: int
    """Devices whose links are measured too, where there are several."""

    roof: float | None
    """Operations a second in `dtype` that nothing here can be faster than; None is unknown."""

    ends: float
    """Of `time.perf_counter`: nothing new is begun after it."""

    tell: Callable[[str], None]
    """Called before each measurement with its name."""


def measure(session: Session, sets: Sequence[str]) -> Found:
    """Rates of a device, one set of kernels after another, and of the links to its neighbours.

    A set that cannot be here, or whose rates cannot be told apart, is left out with a note.
    """
    found, device, timed = Found(), session.device, session.effort.timed
    session.tell("memory")
    found.memory = clock.memory(device, timed / 2)
    if device == "cuda":
        found.to_host = clock.to_host(timed / 4)
    for name in ("stock", "fused"):
        session.tell(f"optimizer: {name}")
        found.optimizer[name] = clock.optimizer(device, name == "fused", timed / 4)
        _free(device)
    for number, kernels in enumerate(sets):
        found.measurements[kernels] = []
        now = time.perf_counter()
        left = session.ends - now - (FOR_LINKS if session.ranks > 1 else 0.0)
        try:
            # The first one compiles kernels that the others have by then.
            _measure_set(session, kernels, now + 2 * left / (len(sets) - number + 1), found)
            roof = session.roof and (2 if kernels == "fast_fp8" else 1) * session.roof
            found.kernels[kernels] = fit(found.measurements[kernels], found.memory, roof)
        except Exception as error:  # compilers' and drivers' errors have no class in common
            found.notes.append(f"{kernels}: no rates: {_line(error)}")
    if session.ranks > 1:
        session.tell("links")
        _free(device)
        found.link = all_reduce(device, session.ranks, timed / 2)
    return found


def _measure_set(session: Session, kernels: str, ends: float, found: Found) -> None:
    """Cases are in the order of what can least be done without."""
    for shape, cases in groupby(session.cases, key=lambda case: case.stack):
        stack = None
        _free(session.device)
        stack = build(shape, kernels, session.device, session.dtype)
        for case in cases:
            if time.perf_counter() > ends:
                found.notes.append(f"{kernels}: {case.name}: left out, the time was over")
                continue
            session.tell(f"{kernels}: {case.name}")
            try:
                _measure_case(session, stack, case, found)
            except torch.OutOfMemoryError:
                found.notes.append(f"{kernels}: {case.name}: left out, the card's memory is too small")
                _free(session.device)


def _measure_case(session: Session, stack: Stack, case: Case, found: Found) -> None:
    once = stack.turn(case)
    if not any(found.measurements.values()):
        clock.keep_busy(once, session.effort.warm)
    taken = clock.seconds(once, session.effort.timed, quickest=case.launch)
    work = work_of(case, stack.kernels, session.dtype)
    found.measurements[stack.kernels].append(Measurement(case.name, work, taken, case.launch))


def _free(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
