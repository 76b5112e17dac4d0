"""A bar with an ETA for what moves or reads many bytes or things; on stderr, gone when it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

Advance = Callable[[int], None]
"""To be called with how many bytes (or things) more are done."""


@contextmanager
def bar(what: str, total: int, *, quiet: bool, in_bytes: bool = True) -> Iterator[Advance]:
    """Shows `what` going from 0 to `total`; gives the function that moves it."""
    counted = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
    columns = (TextColumn(what), BarColumn(), *counted, TextColumn("ETA"), TimeRemainingColumn())
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal  # in a log file an empty line would be left of it
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("", total=total)
        yield lambda done: progress.advance(task, done)
