"""`ftcore plan --accuracy`: what runs were expected to need beside what they needed."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.cli.ls import chosen
from ftcore.cli.rows import show as show_rows
from ftcore.cli.target import runs_dir_of
from ftcore.listing.rows import Listing
from ftcore.plan.accuracy import KEYS, MEASURES, Error, Pair, compared, errors

UNITS = {"memory": "GiB", "step_seconds": "s", "steps": ""}


def main(flags: argparse.Namespace) -> int:
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    listing = Listing(runs_dir_of(flags))
    rows = chosen(listing, words)
    columns = {key: listing.column(key) for key in KEYS}
    flat = [{key: values[row] for key, values in columns.items()} for row in rows]
    pairs = compared(flat)
    of_all = errors(pairs)
    with_one = {pair.run for pair in pairs}
    without = sum(row["state"] == "completed" and row["id"] not in with_one for row in flat)
    if flags.json:
        print(json.dumps(_plain(pairs, of_all, without, len(flat)), indent=2, ensure_ascii=False))
    else:
        _tell(pairs, of_all, without, len(flat), Console(highlight=False))
    listing.remember()
    return 0


def _plain(pairs: list[Pair], of_all: list[Error], without: int, looked_at: int) -> dict[str, Any]:
    return {
        "runs": looked_at,
        "without_prediction": without,
        "errors": [asdict(one) for one in of_all],
        "pairs": [asdict(pair) | {"error": pair.error} for pair in pairs],
    }


def _tell(pairs: list[Pair], of_all: list[Error], without: int, looked_at: int, console: Console) -> None:
    if pairs:
        headings = ["run", "layers", "method", "parallelism", "card", *(f"{name}" for name in MEASURES)]
        show_rows(headings, [_row(run, pairs) for run in dict.fromkeys(pair.run for pair in pairs)], console)
        console.print(_errors(of_all))
    told = f"{looked_at} runs, {len({pair.run for pair in pairs})} of them completed with a prediction"
    console.print(f"{told}; {without} completed without one", markup=False)


def _row(run: str, pairs: list[Pair]) -> list[str]:
    own = {pair.measure: pair for pair in pairs if pair.run == run}
    first = next(iter(own.values()))
    cells = [_cell(own.get(measure)) for measure in MEASURES]
    return [run, *first.group, first.card, *cells]


def _cell(pair: Pair | None) -> str:
    if pair is None:
        return ""
    unit = f" {UNITS[pair.measure]}".rstrip()
    return f"{pair.predicted:.4g} expected, {pair.measured:.4g}{unit} ({pair.error:+.1%})"


def _errors(of_all: list[Error]) -> Table:
    table = Table(title="error: more expected than came is +", title_justify="left")
    for heading in ("measure", "layers", "method", "parallelism", "runs", "median", "worst", "of run"):
        table.add_column(heading, justify="right" if heading in ("runs", "median", "worst") else "left")
    for one in of_all:
        group = one.group or ("all", "", "")
        table.add_row(
            one.measure.replace("_", " "), *group, str(one.runs), f"{one.median:+.1%}", f"{one.worst:+.1%}",
            one.worst_run,
        )  # fmt: skip
    return table
