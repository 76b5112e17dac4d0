"""`ftcore diff A B [C...]`: what differs between runs, and nothing else."""

import argparse
import difflib
import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.cli.rows import print_whole
from ftcore.cli.target import named
from ftcore.repeat.compare import Differences, differences, first_difference
from ftcore.runs import metrics
from ftcore.runs.directory import RunDirectory
from ftcore.runs.source import texts

WIDTH = 60
"""Characters of a value in a cell."""


def main(flags: argparse.Namespace) -> int:
    runs = named(flags, at_least=2, all_runs=True).runs
    found = differences(runs)
    step = first_difference(metrics.read(runs[0].metrics), metrics.read(runs[1].metrics))
    changed = _changed_files(runs[0], runs[1]) if "source_sha256" in found.get("code", {}) else {}
    if flags.json:
        told = {"runs": [run.id for run in runs], "differences": found}
        told |= {"first_step_that_differs": step, "changed_files": sorted(changed)}
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    console = Console(highlight=False, soft_wrap=True)
    _tables(runs, found, console)
    if not found:
        console.print(
            "nothing differs: configuration, code, environment, data, model and results are the same"
        )
    if step is not None:
        console.print(f"losses differ from step {step} on")
    if changed and not flags.patch:
        console.print(
            f"program files that differ: {', '.join(sorted(changed))} (--patch shows how)", markup=False
        )
    elif flags.patch:
        print("".join(line for name in sorted(changed) for line in changed[name]), end="")
    return 0


def _tables(runs: list[RunDirectory], found: Differences, console: Console) -> None:
    for section, rows in found.items():
        table = Table(title=section, title_justify="left", show_edge=False)
        table.add_column("key", overflow="fold")
        for run in runs:
            table.add_column(run.id, overflow="fold")
        for key, values in rows.items():
            table.add_row(key, *map(_cell, values))
        print_whole(table, console)


def _cell(value: Any) -> str:
    text = "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _changed_files(first: RunDirectory, second: RunDirectory) -> dict[str, list[str]]:
    """File of the program -> a unified diff of it."""
    if not (first.source_archive.exists() and second.source_archive.exists()):
        return {}
    before, after = texts(first.source_archive), texts(second.source_archive)
    return dict(_patches(before, after, first.id, second.id))


def _patches(
    before: dict[str, str], after: dict[str, str], first: str, second: str
) -> Iterator[tuple[str, list[str]]]:
    for name in {**before, **after}:
        one, other = before.get(name, ""), after.get(name, "")
        if one != other:
            lines = one.splitlines(keepends=True), other.splitlines(keepends=True)
            yield name, list(difflib.unified_diff(*lines, f"{first}/{name}", f"{second}/{name}"))
