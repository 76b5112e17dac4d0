"""How far an evaluation is: a bar with an ETA for each model on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ftcore.cli.screen import LOG_LINE_SECONDS, progress_line

Report = Callable[..., None]


@contextmanager
def progress(console: Console, *, quiet: bool) -> Iterator[Report]:
    """Gives the function that an evaluation reports to: (done, total, unit, **shown)."""
    if quiet:
        yield lambda *_, **__: None
    elif console.is_terminal:
        with _bars(console) as report:
            yield report
    else:
        yield _lines(console)


@contextmanager
def _bars(console: Console) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TextColumn("ETA"),
        TimeRemainingColumn(), TextColumn("{task.fields[model]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as shown:
        tasks: dict[str, Any] = {}

        def report(done: int, total: int, unit: str, model: str = "") -> None:
            if unit not in tasks:
                tasks[unit] = shown.add_task(unit, total=total, model=model)
            shown.update(tasks[unit], completed=done, total=total, model=model)

        yield report


def _lines(console: Console) -> Report:
    started: dict[str, float] = {}
    before = last = time.time()

    def report(done: int, total: int, unit: str, **figures: Any) -> None:
        nonlocal before, last
        now = time.time()
        started.setdefault(unit, before)
        before = now
        if now - last >= LOG_LINE_SECONDS:
            last = now
            state = {
                "stage": "evaluate", "started": started[unit], "time": now, "done": done, "total": total,
                "unit": unit, "shown": figures,
            }  # fmt: skip
            console.print(progress_line(state), markup=False)

    return report
