"""`ftcore status RUN`: what a run is doing, and what stopped it; of a sweep, how its trials stand."""

import argparse
import json
import shlex
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from ftcore.cli.rows import print_whole
from ftcore.cli.target import one_run, one_sweep, only_of_a_sweep
from ftcore.runs import state
from ftcore.runs.directory import RunDirectory
from launchers import slurm_queue


def main(flags: argparse.Namespace) -> int:
    if sweep := one_sweep(flags):
        from ftcore.cli.of_sweep import status

        return status.main(flags, sweep)
    run = one_run(flags, or_sweep=True)
    only_of_a_sweep(flags, "follow", "all")
    told = state.now(run)
    if flags.json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        show(run, told, Console(highlight=False, soft_wrap=True))
    return 0


def show(run: RunDirectory, told: dict[str, Any], console: Console) -> None:
    """Everything that a person asks first, the first real traceback last."""
    entry, queue, progress = told["run"], told["queue"], told["progress"]
    launch = entry["launch"]
    unknown = f" by its record; {told['unknown']}, not to be seen from here" if told["unknown"] else ""
    console.print(f"{entry['name']}/{entry['id']}: {entry['state']}{unknown}", markup=False)
    console.print(f"  {run.path}", markup=False)
    where = f"{launch['nodes']} node(s) x {launch['tasks_per_node']} on {launch['cluster']}"
    waits = (
        f", {queue['state'].lower()}" + (f" ({queue['reason']})" if queue["reason"] else "") if queue else ""
    )
    console.print(f"  job {launch['job_id']}: {where}{waits}", markup=False)
    if then := launch.get("then"):
        console.print(f"  job {then}: merge and evaluate, once that has ended well", markup=False)
    if progress:
        console.print(f"  {_progress(progress)}", markup=False)
    print_whole(_attempts(entry), console)
    for warning in entry["attempts"][-1].get("warnings", []) if entry["attempts"] else []:
        console.print(f"warning: {warning}", markup=False)
    if error := entry["error"]:
        place = f"stage {error['stage']}, rank {error['rank']}, node {error['node']}"
        console.print(f"{error['type']}: {error['message']} ({place})", markup=False)
        console.print(error["traceback"].rstrip(), markup=False, style="dim")
    waiting = queue is not None and queue["state"] in slurm_queue.OPEN
    if entry["state"] in ("failed", "cancelled", "preempted") and not waiting:
        console.print(f"goes on with: python -m ftcore resume {shlex.quote(str(run.path))}", markup=False)


def _progress(progress: dict[str, Any]) -> str:
    done, total, unit = progress["done"], progress["total"], progress["unit"]
    figures = "  ".join(f"{name} {value:.4g}" for name, value in progress["shown"].items())
    line = f"{progress['stage']}: {done}" + (f" of {total} {unit}" if total else f" {unit}")
    passed = progress["time"] - progress["started"]
    if total and 0 < done < total and passed > 0:
        line += f", about {_span(passed / done * (total - done))} to go"
    return f"{line}  {figures}  ({_span(time.time() - progress['time'])} ago)"


def _span(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min"
        if hours
        else f"{minutes} min {seconds:02d} s"
        if minutes
        else f"{seconds} s"
    )


def _attempts(entry: dict[str, Any]) -> Table:
    table = Table(show_edge=False)
    for heading in ("attempt", "state", "started", "ended", "nodes", "because"):
        table.add_column(heading, overflow="fold")
    for one in entry["attempts"]:
        cells = (
            one["number"],
            one["state"],
            one["started"],
            one["ended"],
            ",".join(one["nodes"]),
            one["reason"],
        )
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    return table
