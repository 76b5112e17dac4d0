"""`ftcore plan -m`: say what a sweep would amount to; make and start nothing."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from ftcore.cli import sweep
from ftcore.cli.plan_time import span
from ftcore.cli.plan_told import facts, gib, priced, tell
from ftcore.config.schema.search import Asynchronous
from ftcore.plan.trials import memory_of_all, time_of_all
from ftcore.sweeps.axes import Axis
from ftcore.sweeps.points import text
from ftcore.sweeps.request import Sweep, Trial, request

VALUES_SHOWN = 12
"""Of one axis, to a person."""


def main(flags: argparse.Namespace) -> int:
    words = sweep.one_device(flags.words)
    asked = request(words, flags.config_dir, flags.config_name, skip_invalid=flags.skip_invalid)
    tell(flags, summarise(asked), show)
    return 0


def summarise(asked: Sweep) -> dict[str, Any]:
    """How many trials over what; of those that are known beforehand, the first and the last."""
    e = asked.trials[0].composed.experiment
    sweep.same_size(asked.trials)
    plan: dict[str, Any] = {
        "name": e.name,
        "strategy": asked.search.strategy,
        "axes": [_axis(axis) for axis in asked.axes],
        "skipped": asked.skipped,
        "invalid": [str(problem) for problem in asked.invalid],
        "cluster": e.cluster.kind,
        "world_size": e.world_size,
    }
    if isinstance(asked.search, Asynchronous):
        return plan | {
            "trials": asked.search.trials,
            "there_already": 0,
            "first": None,
            "last": None,
            "memory": None,
            "time": None,
        }
    new, there = sweep.new_trials(asked.trials, Path(e.runs_dir), again=False)
    ends = {"first": _trial(asked.trials[0]), "last": _trial(asked.trials[-1])}
    counts = {"trials": len(new) + len(there), "there_already": len(there)}
    return (
        plan
        | counts
        | ends
        | {
            "memory": memory_of_all([trial.composed.experiment for trial in asked.trials]),
            "time": time_of_all([trial.composed.experiment for trial in new]) if new else None,
        }
    )


def show(plan: dict[str, Any], console: Console) -> None:
    """The plan for a person."""
    there = f", {plan['there_already']} there already" if plan["there_already"] else ""
    table = facts(plan["name"])
    table.add_row("trials", f"{plan['trials']} ({plan['strategy']}){there}, cluster={plan['cluster']}")
    for axis in plan["axes"]:
        table.add_row(axis["key"], _values(axis))
    if plan["skipped"]:
        table.add_row("skipped", f"{plan['skipped']} by search.skip")
    for name in ("first", "last"):
        if plan[name]:
            table.add_row(name, " ".join(plan[name]["point"]))
    if memory := plan["memory"]:
        low, high = (gib(memory[end]) for end in ("least", "most"))
        over = memory["do_not_fit"]
        table.add_row(
            "peak memory", f"{low} to {high} GiB" + (f"; {over} trial(s) do not fit" if over else "")
        )
    if time := plan["time"]:
        if time["steps"] is not None:
            table.add_row("steps", f"{time['steps']:,} of all trials that are still to run")
        table.add_row("time", _time(time))
        if time["cost"]:
            table.add_row("cost", priced(time["cost"]))
    console.print(table)
    for problem in plan["invalid"]:
        console.print(f"left out: {problem}", markup=False)


def _time(time: dict[str, Any]) -> str:
    if time["unknown"]:
        return f"not estimated for {time['unknown']} trial(s): {time['why']}"
    hours = f"{time['accelerator_hours']:,.2f} accelerator-hours"
    one = f"{span(time['shortest'])} to {span(time['longest'])} a trial"
    between = f"{span(time['total_seconds'])} ({span(time['low'])} to {span(time['high'])})"
    return f"{hours}: {one}, {between} one after the other{'; rates are assumed' if time['assumed'] else ''}"


def _axis(axis: Axis) -> dict[str, Any]:
    span = axis.interval
    interval = None if span is None else {"low": span.low, "high": span.high, "log": span.log}
    return {"key": axis.key, "group": axis.group, "values": list(axis.values), "interval": interval}


def _values(axis: dict[str, Any]) -> str:
    if span := axis["interval"]:
        return f"{span['low']:g} to {span['high']:g}{', logarithmic' if span['log'] else ''}"
    values = [value if isinstance(value, str) else text(value) for value in axis["values"]]
    more = f", ... {values[-1]} ({len(values)})" if len(values) > VALUES_SHOWN else ""
    return ", ".join(values[: VALUES_SHOWN if more else None]) + more


def _trial(trial: Trial) -> dict[str, Any]:
    return {"point": list(trial.point), "overrides": list(trial.composed.overrides)}
