"""What the trials of a sweep amount to together, as plain data."""

from collections.abc import Sequence
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.plan.cost import cost
from ftcore.plan.data import Seen, data_of, length_of
from ftcore.plan.estimate import estimate
from ftcore.plan.memory import memory
from ftcore.plan.needs import shape


def memory_of_all(experiments: Sequence[Experiment]) -> dict[str, int] | None:
    """Of the trials whose model's shape is known and which have an accelerator: the least and the most that
    one needs at its peak, in bytes, and how many do not fit."""
    shapes = {path: shape(path)[0] for path in {e.model.path for e in experiments}}
    known = [
        (memory(e, a), e.hardware.memory_gib)
        for e in experiments
        if (a := shapes[e.model.path]) and e.hardware.accelerator != "cpu"
    ]
    if not known:
        return None
    sizes = [found.peak.total for found, _ in known]
    over = sum(found.fits(card) is False for found, card in known)
    return {"least": min(sizes), "most": max(sizes), "do_not_fit": over}


def time_of_all(experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Steps and seconds of all trials together, one after the other, between `low` and `high`;
    `accelerator_hours`; seconds of the `shortest` and the `longest` one; `cost`.

    `unknown` counts trials without an estimate, `why` says why of the first one; sums are None then.
    """
    seen: Seen = {}
    shapes = {path: shape(path) for path in {e.model.path for e in experiments}}
    steps, times, whys = [], [], []
    for e in experiments:
        (a, why), data = shapes[e.model.path], data_of(e, seen)
        length = length_of(e, data)
        steps.append(length["steps"])
        time = None if a is None else estimate(e, a, data, length)
        if time is None or time["total_seconds"] is None:
            whys.append(why if time is None else time["why"])
        else:
            times.append(time)
    whole = len(times) == len(experiments)
    seconds = [time["total_seconds"] for time in times]
    hours = sum(time["accelerator_hours"] for time in times) if whole else None
    return {
        "steps": None if None in steps else sum(steps),
        "total_seconds": sum(seconds) if whole else None,
        "low": sum(time["low"] for time in times) if whole else None,
        "high": sum(time["high"] for time in times) if whole else None,
        "accelerator_hours": hours,
        "shortest": min(seconds, default=None),
        "longest": max(seconds, default=None),
        "assumed": any(time["assumed"] for time in times),
        "unknown": len(whys),
        "why": next(iter(whys), None),
        "cost": cost(experiments[0], hours) if experiments else None,
    }
