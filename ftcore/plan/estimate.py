"""What `plan` says of time, as plain data."""

from typing import Any

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.beside import SPREAD, beside
from ftcore.plan.host import disk
from ftcore.plan.parts import parts
from ftcore.plan.rates import Rates
from ftcore.plan.time import Step, rates_of, step, tokens_per_second

HOUR = 3600.0


def estimate(e: Experiment, a: Architecture, data: dict[str, Any], length: dict[str, Any]) -> dict[str, Any]:
    """`step_seconds` with its parts and terms, and of the whole job `total_seconds` between `low` and `high`
    and `accelerator_hours`. None where unknown; `why` says why."""
    nothing = dict.fromkeys((
        "step_seconds", "step_low", "step_high", "tokens_per_second", "total_seconds", "low", "high",
        "accelerator_hours", "source", "assumed", "why",
    ))  # fmt: skip
    nothing |= {"parts": {}, "terms": [], "beside": {}}
    rates, one = rates_of(e), step(e, a, data)
    if rates is None or one is None:
        missing = "no rates" if rates is None else "no rates of these kernels"
        why = (
            f"{missing} for {e.hardware.card} in {e.precision.dtype}: run `python -m ftcore calibrate` on it"
        )
        return nothing | {"why": why}
    found = nothing | {
        "step_seconds": one.seconds,
        "step_low": one.low * one.seconds,
        "step_high": one.high * one.seconds,
        "tokens_per_second": tokens_per_second(e, data, one.seconds),
        "parts": one.parts,
        "terms": _terms(one),
        "source": rates.source,
        "assumed": not rates.measured,
    }
    if length["steps"] is None:
        return found | {"why": "how many steps there are is not known"}
    return found | _whole(e, a, data, length, one, rates)


def _whole(
    e: Experiment, a: Architecture, data: dict[str, Any], length: dict[str, Any], one: Step, rates: Rates
) -> dict[str, Any]:
    steps = length["steps"]
    fewest, most = length["between"] or (steps, steps)
    every = e.checkpoint.every
    saved = 1 if every is None else -(-length["iterations"] // every)
    other = beside(e, a, parts(e, a), data, disk(e, a, length["iterations"]), saved, rates)
    total = steps * one.seconds + other.seconds
    return {
        "total_seconds": total,
        "low": fewest * one.low * one.seconds + other.seconds / SPREAD,
        "high": most * one.high * one.seconds + other.seconds * SPREAD,
        "accelerator_hours": e.world_size * total / HOUR,
        "beside": other.parts,
    }


def _terms(one: Step) -> list[dict[str, Any]]:
    """The arithmetic: amount / rate x times = seconds."""
    return [
        {
            "name": term.name, "amount": term.amount, "unit": term.unit, "rate": term.rate,
            "times": term.times, "seconds": term.seconds, "source": term.source,
        }
        for term in one.terms
        if term.amount
    ]  # fmt: skip
