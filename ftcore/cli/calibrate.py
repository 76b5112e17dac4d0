"""`ftcore calibrate`: measure this machine's device, so that plans know how long a job takes on it."""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ftcore.config.compose import compose
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.plan.rates_file import file_name, places
from ftcore.runs.files import write_json

LIMIT = 105.0
"""Seconds after which no measurement is begun: the last one and writing come after it."""


def main(flags: argparse.Namespace) -> int:
    begun = time.perf_counter()
    problems = []
    if flags.limit is not None and not flags.limit > 0:
        problems.append(Problem("--limit", f"{flags.limit:g} is no time to measure in", "seconds, over 0"))
    if flags.to is not None and not flags.to.endswith(".json"):
        problems.append(Problem("--to", f"{flags.to} is no name of a rates file", "--to FILE.json"))
    elif flags.to is not None and not _can_be_written(Path(flags.to).absolute()):
        problems.append(Problem("--to", f"{flags.to} cannot be written here", "a file in a folder of yours"))
    try:
        e = compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name).experiment
    except RequestError as error:
        raise RequestError([*problems, *error.problems]) from None
    if problems:
        raise RequestError(problems)
    os.environ.update(e.hardware.env)  # read when torch is imported
    from ftcore.training.calibrate import session

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = flags.json or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        bar = progress.add_task("", total=session.steps(e))

        def tell(name: str) -> None:
            progress.update(bar, description=name, advance=1)

        found = session.calibrate(e, begun, flags.limit or LIMIT, tell)
    file = Path(flags.to) if flags.to else places(e.cache_dir)[0] / file_name(found["card"])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, found)
    except OSError as error:
        raise WorkError(f"{file} cannot be written: {error}", goes_on="calibrate --to FILE.json") from None
    if flags.json:
        print(json.dumps(found | {"file": str(file)}, indent=2, ensure_ascii=False))
    else:
        show(found, file, Console(highlight=False))
    return 0


def _can_be_written(file: Path) -> bool:
    """Whether the file and what is missing of its folders can be made: measuring comes before."""
    place = next(folder for folder in file.parents if folder.exists())
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK) and not file.is_dir()


def show(found: dict[str, Any], file: Path, console: Console) -> None:
    """The rates for a person."""
    title = f"{found['card']}, {found['dtype']}, torch {found['torch']}, {found['seconds']:.0f} s"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in found["kernels"]:
        table.add_column(name, justify="right")
    for name, scale, unit in ROWS:
        values = [each[name] for each in found["kernels"].values()]
        told = ["" if value is None else f"{value / scale:,.3g}" for value in values]
        table.add_row(f"{name.replace('_', ' ')}, {unit}", *told)
    console.print(table)
    console.print(f"memory {found['memory'] / 1e9:,.0f} GB/s", end="")
    if found["link"]:
        console.print(f", link {found['link'] / 1e9:,.1f} GB/s", end="")
    console.print()
    for note in found["notes"]:
        console.print(note, markup=False)
    console.print(f"written: {file}", markup=False, soft_wrap=True)


ROWS = (
    ("linear", 1e12, "TFLOP/s"),
    ("attention", 1e12, "TFLOP/s"),
    ("masked_attention", 1e12, "TFLOP/s"),
    ("head", 1e12, "TFLOP/s"),
    ("elementwise", 1e9, "GB/s"),
    ("launch", 1e-6, "us a layer"),
    ("launch_again", 1e-6, "us a layer"),
    ("launch_fixed", 1e-6, "us"),
    ("error", 0.01, "% (fit)"),
)
