"""Put a sweep's page where it belongs."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from ftcore.report import format as fmt
from ftcore.report.curves import by_step
from ftcore.report.sweep.page import Sweep, curve_numbers, render_sweep
from ftcore.runs import metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_text
from ftcore.sweeps import directory
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.look import Look
from ftcore.sweeps.overview import took
from ftcore.sweeps.table import Row


def write_sweep(sweep: SweepDirectory, look: Look, to: Path, x: str | None, y: str | None) -> None:
    """Make the file `to` of what `look` saw and what the runs' directories hold now."""
    write_text(to, render_sweep(_gathered(sweep, look, to), x, y))


def _gathered(sweep: SweepDirectory, look: Look, to: Path) -> Sweep:
    runs = {row.number: RunDirectory(sweep.runs_dir / row.run) for row in look.rows}
    wanted = curve_numbers(look.rows, look.whole.ranking)
    accelerators = {row.figure("hardware.accelerator") for row in look.rows} - {None}
    here = to.absolute() == sweep.report.absolute()
    return Sweep(
        told=look.told,
        aim=look.aim,
        rows=look.rows,
        whole=look.whole,
        failures=look.groups,
        over=look.over,
        waits=look.waits,
        device_hours=sum(device_seconds(row, runs[row.number]) for row in look.rows) / 3600,
        device="CPU process" if accelerators == {"cpu"} else "Accelerator",
        metrics={number: by_step(metrics.read(runs[number].metrics)) for number in wanted},
        links=_links(runs, to) if here else {},
        best_commands=_best_commands(sweep, look),
        commands=_commands(sweep, look),
    )


def device_seconds(row: Row, run: RunDirectory) -> float:
    """Seconds of all attempts times the devices; records of one attempt are not read again."""
    each = (row.figure("launch.nodes") or 1) * (row.figure("launch.tasks_per_node") or 1)
    if (row.figure("attempts") or 0) <= 1:
        return (took(row) or 0.0) * each
    attempts = record.read(run)["attempts"]
    return sum(fmt.elapsed(one.get("started"), one.get("ended")) or 0.0 for one in attempts) * each


def _links(runs: Mapping[int, RunDirectory], to: Path) -> dict[int, str]:
    return {
        number: Path(os.path.relpath(run.report, to.parent)).as_posix()
        for number, run in runs.items()
        if run.report.is_file()
    }


def _best_commands(sweep: SweepDirectory, look: Look) -> list[tuple[str, str]]:
    if (best := look.whole.best) is None:
        return []
    point = next(entry.point for entry in directory.trials(sweep) if entry.number == best.number)
    alone = shlex.join(["python", "-m", "ftcore", *look.told.get("fixed", ()), *point])
    return [
        ("do it again, from its record", f"python -m ftcore rerun {best.id}{_where(sweep)}"),
        ("as an experiment of its own, to change", alone),
    ]


def _commands(sweep: SweepDirectory, look: Look) -> list[tuple[str, str]]:
    where = _where(sweep)
    commands = [
        ("how it stands", f"python -m ftcore status {sweep.id}{where}"),
        ("the trials that are missing", f"python -m ftcore resume {sweep.id}{where}"),
        ("its runs, sorted", f"python -m ftcore ls --sweep {sweep.id} --sort {_sort(look)}{where}"),
        ("the table for a spreadsheet", f"python -m ftcore report {sweep.id} --csv{where} > trials.csv"),
        ("this page again", f"python -m ftcore report {sweep.id}{where}"),
    ]
    if all(row.state in ("completed", "pruned") for row in look.rows):
        del commands[1]
    return commands


def _sort(look: Look) -> str:
    key = "end_loss" if look.aim.key == "results.end_loss" else look.aim.key
    return f"-{key}" if look.aim.maximize else key


def _where(sweep: SweepDirectory) -> str:
    folder = sweep.runs_dir
    return "" if folder.resolve() == Path("runs").resolve() else f" --runs-dir {shlex.quote(str(folder))}"
