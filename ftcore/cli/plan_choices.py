"""`ftcore plan --fit KEY` and `ftcore plan --compare`: which setting to take, before anything is queued."""

import argparse
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.cli import sweep
from ftcore.cli.plan_time import span
from ftcore.cli.plan_told import gib, tell
from ftcore.config.compose import compose
from ftcore.config.errors import Problem, RequestError
from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.batch import batch
from ftcore.plan.data import Seen, data_of, length_of
from ftcore.plan.estimate import estimate
from ftcore.plan.fit import Fit, fit
from ftcore.plan.memory import memory
from ftcore.plan.needs import shape
from ftcore.sweeps.points import NOTHING
from ftcore.sweeps.request import request


def best_fit(flags: argparse.Namespace) -> int:
    """The largest (or fewest) that fits; exit 1 where nothing does."""
    e = compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name).experiment
    found = fit(e, _shape(e), flags.fit)
    plan = asdict(found) | {"card_gib": e.hardware.memory_gib}
    tell(flags, plan, lambda _, console: console.print(_told(found, e), markup=False, soft_wrap=True))
    return 0 if found.value is not None else 1


def compare(flags: argparse.Namespace) -> int:
    """Every combination of the choices, side by side."""
    words = sweep.one_device(flags.words)
    try:
        asked = request(words, flags.config_dir, flags.config_name, skip_invalid=flags.skip_invalid)
    except RequestError as error:
        raise RequestError(_of_choices(one) for one in error.problems) from None
    seen: Seen = {}
    rows = [_row(trial.point, trial.composed.experiment, seen) for trial in asked.trials]
    tell(flags, rows, _show)
    return 0


def _of_choices(problem: Problem) -> Problem:
    """A sweep's problem, in the words of who compares."""
    if problem.key != "-m":
        return problem
    if problem.message == NOTHING:
        return Problem("--compare", "there is no choice to compare", "KEY=A,B: kernels=stock,fast rank=16,64")
    return replace(problem, key="--compare")


def _shape(e: Experiment) -> Architecture:
    if e.hardware.accelerator == "cpu":
        raise RequestError(
            [Problem("hardware", "a CPU has no card whose memory could be planned", "cuda, dcu")]
        )
    found, why = shape(e.model.path)
    if found is None:
        raise RequestError([Problem("model.path", why)])
    return found


def _told(found: Fit, e: Experiment) -> str:
    card = f"of {e.hardware.memory_gib:g} GiB ({e.hardware.card})"
    if found.value is None:
        reason = f"; {found.bound}" if found.bound else ""
        return f"no {found.key} fits: the least that is needed is {gib(found.peak)} {card}{reason}"
    text = f"{found.key}={found.value} fits: {gib(found.peak)} {card}"
    if found.beyond:
        text += f"; {found.beyond[0]} needs {gib(found.beyond[1])}"
    elif found.bound:
        text += f"; {found.bound} ends it"
    return text


def _row(point: tuple[str, ...], e: Experiment, seen: Seen) -> dict[str, Any]:
    a, plan, data = _shape(e), batch(e), data_of(e, seen)
    found, time = memory(e, a), estimate(e, a, data, length_of(e, data))
    return {
        "point": list(point),
        "peak": found.peak.total,
        "parts": asdict(found.peak),
        "recomputed": found.recomputed,
        "fits": found.fits(e.hardware.memory_gib),
        "card_gib": e.hardware.memory_gib,
        "samples_per_step": plan.samples_per_step,
        "time": time,
    }


def _show(rows: list[dict[str, Any]], console: Console) -> None:
    """Combinations as columns; parts that are nothing in all of them are left out."""
    table = Table(title="peak memory of one card, GiB", title_justify="left")
    table.add_column("")
    for row in rows:
        table.add_column("\n".join(row["point"]), justify="right", overflow="fold")
    for name in rows[0]["parts"]:
        if any(row["parts"][name] for row in rows):
            table.add_row(name.replace("_", " "), *(gib(row["parts"][name], 2) for row in rows))
    table.add_section()
    table.add_row("in all", *(gib(row["peak"], 2) for row in rows))
    table.add_row("fits", *({True: "yes", False: "no", None: "?"}[row["fits"]] for row in rows))
    table.add_row("layers computed again", *(str(row["recomputed"]) for row in rows))
    table.add_row("samples a step", *(str(row["samples_per_step"]) for row in rows))
    for told, key in (("time of a step", "step_seconds"), ("time in all", "total_seconds")):
        if any(row["time"][key] is not None for row in rows):
            table.add_row(told, *(_span(row["time"][key]) for row in rows))
    if any(row["time"]["assumed"] for row in rows):
        table.add_row("rates", *("assumed" if row["time"]["assumed"] else "calibrated" for row in rows))
    console.print(table)


def _span(seconds: float | None) -> str:
    return "?" if seconds is None else span(seconds)
