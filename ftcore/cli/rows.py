"""Rows of values as a table for people."""

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ftcore.listing.query import shown

LONG = 300
"""Rows beyond which nobody reads a table cell by cell, and laying one out takes seconds: lines, then."""

UNBOUNDED = 100_000
"""Characters that a line may have where no screen ends it."""

STYLES = {
    "completed": "green", "failed": "red", "unreadable": "red", "running": "cyan", "queued": "yellow",
    "preempted": "yellow", "cancelled": "dim", "unknown": "magenta",
}  # fmt: skip


def show(headings: Sequence[str], rows: Sequence[Sequence[Any]], console: Console) -> None:
    """Print `rows`, one a line where the terminal is wide enough; nothing is ever cut off."""
    texts = [[cell(value) for value in row] for row in rows]
    if len(texts) > LONG:
        _lines(headings, texts, console)
        return
    table = Table(show_edge=False)
    for heading in headings:
        table.add_column(heading.replace("_", " "), overflow="fold")
    for row in texts:
        cells = zip(headings, row, strict=True)
        table.add_row(*(Text(text, STYLES.get(text, "") if key == "state" else "") for key, text in cells))
    print_whole(table, console)


def print_whole(table: Table, console: Console) -> None:
    """Print `table`; into a file or a pipe, which is searched for whole ids and paths, as wide as it is."""
    if console.is_terminal:
        console.print(table)
        return
    before = console.width
    console.width = console.measure(table, options=console.options.update(width=UNBOUNDED)).maximum
    console.print(table)
    console.width = before


def cell(value: Any) -> str:
    """A value as people read it, in one line: six digits of a fraction."""
    text = f"{value:.6g}" if isinstance(value, float) else shown(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def _lines(headings: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    every = [[heading.replace("_", " ") for heading in headings], *rows]
    widths = [max(map(_width, column)) for column in zip(*every, strict=True)]
    lines = ("  ".join(map(_padded, row, widths)).rstrip() for row in every)
    console.file.write("\n".join(lines) + "\n")


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
