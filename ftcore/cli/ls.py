"""`ftcore ls`: the runs there are."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.runs import state
from ftcore.runs.directory import every


def main(flags: argparse.Namespace) -> int:
    folders = [word.removeprefix("runs_dir=") for word in flags.words if word.startswith("runs_dir=")]
    runs_dir = Path(folders[-1] if folders else flags.runs_dir)
    rows = [row(state.settled(run)) for run in every(runs_dir)]
    if flags.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    console = Console(highlight=False)
    if not rows:
        console.print(f"no runs under {runs_dir} yet")
        return 0
    table = Table(show_edge=False)
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), overflow="fold")
    for one in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in one.values()))
    console.print(table)
    return 0


def row(entry: dict[str, Any]) -> dict[str, Any]:
    """What `ls` says of a run."""
    loss = entry["results"].get("final_loss")
    return {
        "run": entry["id"],
        "name": entry["name"],
        "state": entry["state"],
        "created": entry["created"],
        "job": entry["launch"]["job_id"],
        "attempts": len(entry["attempts"]),
        "loss": None if loss is None else round(loss, 4),
    }
