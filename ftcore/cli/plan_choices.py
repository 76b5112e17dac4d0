"""`ftcore plan --fit KEY` and `ftcore plan --compare`: which setting to take, before anything is queued."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.cli import sweep
from ftcore.config.compose import compose
from ftcore.config.errors import Problem, RequestError
from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.batch import batch
from ftcore.plan.fit import Fit, fit
from ftcore.plan.memory import memory
from ftcore.plan.needs import shape
from ftcore.sweeps.request import request

GIB = 2**30


def best_fit(flags: argparse.Namespace) -> int:
    """The largest (or fewest) that fits; exit 1 where nothing does."""
    e = compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name).experiment
    found = fit(e, _shape(e), flags.fit)
    if flags.json:
        print(json.dumps(asdict(found) | {"card_gib": e.hardware.memory_gib}, indent=2))
    else:
        Console(highlight=False).print(_told(found, e), markup=False, soft_wrap=True)
    return 0 if found.value is not None else 1


def compare(flags: argparse.Namespace) -> int:
    """Every combination of the choices, side by side."""
    words = sweep.one_device(flags.words)
    asked = request(words, flags.config_dir, flags.config_name, skip_invalid=flags.skip_invalid)
    rows = [_row(trial.point, trial.composed.experiment) for trial in asked.trials]
    if flags.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _show(rows, Console(highlight=False))
    return 0


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
        return f"no {found.key} fits: the least that is needed is {found.peak / GIB:.1f} {card}{reason}"
    text = f"{found.key}={found.value} fits: {found.peak / GIB:.1f} {card}"
    if found.beyond:
        text += f"; {found.beyond[0]} needs {found.beyond[1] / GIB:.1f}"
    elif found.bound:
        text += f"; {found.bound} ends it"
    return text


def _row(point: tuple[str, ...], e: Experiment) -> dict[str, Any]:
    a, plan = _shape(e), batch(e)
    found = memory(e, a)
    return {
        "point": list(point),
        "peak": found.peak.total,
        "parts": asdict(found.peak),
        "recomputed": found.recomputed,
        "fits": found.fits(e.hardware.memory_gib),
        "card_gib": e.hardware.memory_gib,
        "samples_per_step": plan.samples_per_step,
    }


def _show(rows: list[dict[str, Any]], console: Console) -> None:
    """Combinations as columns; parts that are nothing in all of them are left out."""
    table = Table(title="peak memory of one card, GiB", title_justify="left")
    table.add_column("")
    for row in rows:
        table.add_column("\n".join(row["point"]), justify="right", overflow="fold")
    for name in rows[0]["parts"]:
        if any(row["parts"][name] for row in rows):
            table.add_row(name.replace("_", " "), *(f"{row['parts'][name] / GIB:.2f}" for row in rows))
    table.add_section()
    table.add_row("in all", *(f"{row['peak'] / GIB:.2f}" for row in rows))
    table.add_row("fits", *({True: "yes", False: "no", None: "?"}[row["fits"]] for row in rows))
    table.add_row("layers computed again", *(str(row["recomputed"]) for row in rows))
    table.add_row("samples a step", *(str(row["samples_per_step"]) for row in rows))
    console.print(table)
