"""`ftcore status SWEEP`: how its trials stand, the best so far, what failed, what waits, how long yet."""

import argparse
import json
import time
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ftcore.cli.of_sweep import words
from ftcore.cli.rows import STYLES
from ftcore.report import format as fmt
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.look import Look, plain
from ftcore.sweeps.overview import OVER, Overview
from ftcore.sweeps.table import Row

POLL_SECONDS = 2.0
SHOWN = 20
"""Trials of a table that is not asked for whole; half of them the best, half the latest."""

RUNNING_SHOWN = 8
EXAMPLE = 160
"""Characters of a reason."""


def main(flags: argparse.Namespace, sweep: SweepDirectory) -> int:
    """The exit code."""
    if flags.follow and not flags.json:
        return follow(sweep, Console(highlight=False), whole=flags.all)
    look = Look(sweep)
    if flags.json:
        print(json.dumps(plain(look), indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            # Whole ids and points in what is piped on.
            console.width = max(console.width, 200)
        console.print(shown(look, whole=flags.all))
    return 0


def follow(sweep: SweepDirectory, console: Console, *, whole: bool) -> int:
    """Until nothing of the sweep waits or runs; on a terminal in one place, else a line a change."""
    if not console.is_terminal:
        return _lines(sweep)
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            look = Look(sweep)
            live.update(shown(look, whole=whole), refresh=True)
            if look.over:
                return 0
            time.sleep(POLL_SECONDS)


def _lines(sweep: SweepDirectory) -> int:
    said = ""
    while True:
        look = Look(sweep)
        line = "  ".join(filter(None, (_counts(look.whole), _best(look, mark=""), _left(look.whole))))
        # The time left changes at every look.
        if (now := f"{_counts(look.whole)} {_best(look, mark='')}") != said:
            said = now
            print(line, flush=True)
        if look.over:
            return 0
        time.sleep(POLL_SECONDS)


def shown(look: Look, *, whole: bool = False) -> Group:
    """What a person sees."""
    told, view = look.told, look.whole
    axes = " x ".join(f"{axis['key']} ({len(axis['values']) or 'interval'})" for axis in told["axes"])
    jobs = ", ".join(str(job["id"]) for job in told["jobs"]) or "none"
    lines: list[Any] = [
        Text(f"{told['name']}, sweep {told['id']}: {told['search']['strategy']} over {axes}"),
        Text(f"  {look.sweep.path}", "dim"),
        Text(f"  job {jobs} on {told['cluster']}, since {fmt.timestamp(told['created'])}"),
        _bar(view),
        Text(f"  {_counts(view)}{_left(view)}"),
    ]
    if best := _best(look):
        lines.append(Text(f"  {best}", "bold"))
    lines += [Text(f"  {line}", "yellow") for line in _waiting_lines(look)]
    lines += [Text(f"  {line}", "cyan") for line in _running_lines(look)]
    for group in look.groups:
        numbers = ", ".join(str(row.number) for row in group.rows[:8]) + ", ..." * (len(group.rows) > 8)
        reason = " ".join(group.kind.split())[:EXAMPLE]
        alike = f", all with {words.point(group.alike)}" if group.alike else ""
        lines.append(Text(f"  {len(group.rows)} {group.state}: {reason} (trials {numbers}{alike})", "red"))
    lines.append(_table(look, whole))
    if look.over and look.missing:
        lines.append(Text(f"goes on with: {words.command('resume', look.sweep)}"))
    if view.best:
        lines.append(Text(f"all of it as a page: {words.command('report', look.sweep)}"))
    return Group(*lines)


def _bar(view: Overview) -> Table:
    grid = Table.grid(padding=(0, 1))
    share = 100 * view.done / view.total if view.total else 100.0
    bar = ProgressBar(total=max(1, view.total), completed=view.done, width=40)
    grid.add_row(Text(" "), bar, Text(f"{view.over}/{view.total}"), Text(f"{share:.0f} %"))
    return grid


def _counts(view: Overview) -> str:
    counts = [f"{count} {state}" for state, count in view.counts]
    return ", ".join([*counts, *[f"{view.to_come} to come"] * bool(view.to_come)])


def _left(view: Overview) -> str:
    return "" if view.seconds_left is None else f", about {fmt.duration(view.seconds_left)} to go"


def _best(look: Look, mark: str = "best: ") -> str:
    best = look.whole.best
    if best is None:
        return ""
    where = f"trial {best.number} ({best.run})"
    return f"{mark}{look.aim.label} {best.value:.4f} with {words.point(best.point)}, {where}"


def _running_lines(look: Look) -> list[str]:
    rows = [row for row in look.rows if row.state == "running"]
    lines = [f"trial {row.number}, {words.point(row.point)}: {_step(look, row)}" for row in rows]
    more = len(lines) - RUNNING_SHOWN
    return lines if more <= 0 else [*lines[:RUNNING_SHOWN], f"and {more} more under way"]


def _waiting_lines(look: Look) -> list[str]:
    who = " workers" if look.searches and look.told["cluster"] == "slurm" else ""
    lines = [f"{count}{who} wait: {reason}" for reason, count in look.waits.items()]
    return [*lines, *["cancelled: trials under way save and end"] * look.stopping]


def _step(look: Look, row: Row) -> str:
    now = look.progress.get(row.number)
    if not now:
        return "begins"
    text = f"{now['stage']} {now['done']}" + (f"/{now['total']}" if now["total"] else "")
    loss = now["shown"].get("loss")
    return text if loss is None else f"{text}, loss {loss:.4g}"


def _table(look: Look, whole: bool) -> Table:
    rows, left_out = chosen(look.rows, look.whole, whole)
    made = Table(show_edge=False)
    keys = list(look.rows[0].point) if look.rows else []
    for heading in ("trial", *keys, "state", look.aim.label, "because"):
        made.add_column(heading, overflow="fold")
    for row in rows:
        result = _step(look, row) if row.state == "running" else _value(row)
        star = " *" if look.whole.best is row else ""
        cells = [words.value(one) for one in row.point.values()]
        reason = " ".join(row.reason.split())
        made.add_row(
            str(row.number),
            *map(Text, cells),
            Text(row.state, STYLES.get(row.state, "")),
            f"{result}{star}",
            Text(reason[:EXAMPLE]),
        )
    if left_out:
        made.caption = f"the best and the latest; {left_out} more with --all"
        made.caption_justify = "left"
    return made


def chosen(rows: list[Row], view: Overview, whole: bool) -> tuple[list[Row], int]:
    """The rows of the table, in order of number, and how many are left out: of many the best half of SHOWN,
    and the latest of those that began or are over."""
    if whole or len(rows) <= SHOWN:
        return rows, 0
    best = [row.number for row in view.ranking[: SHOWN // 2]]
    begun = [row for row in rows if row.state == "running" or (row.state in OVER and row.number not in best)]
    begun.sort(key=lambda row: (row.state == "running", row.figure("attempt.started") or ""))
    wanted = {*best, *(row.number for row in begun[-(SHOWN - len(best)) :])}
    found = [row for row in rows if row.number in wanted]
    return found, len(rows) - len(found)


def _value(row: Row) -> str:
    return "" if row.value is None else f"{row.value:.4f}"
