"""What the forms of `ftcore plan` print alike."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

Show = Callable[[Any, Console], None]


def tell(flags: argparse.Namespace, plan: Any, show: Show) -> None:
    """`plan` as JSON where that is asked for, else as `show` prints it."""
    if flags.json:
        print(json.dumps(plan, indent=2, ensure_ascii=False))
    else:
        show(plan, Console(highlight=False))


def facts(title: str) -> Table:
    """A table of two columns, what and what of it."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    return table


def gib(size: int, digits: int = 1) -> str:
    """Bytes, in GiB."""
    return f"{size / 2**30:,.{digits}f}"
