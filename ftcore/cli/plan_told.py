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


def priced(cost: dict[str, Any]) -> str:
    """Money and quota, as far as the cluster states a rate and the time is known."""
    if cost["device_hours"] is None:
        return "not known: the time is not"
    money = f" {cost['currency']}" if cost["currency"] else ""
    words = [f"{cost['device_hours']:,.2f} device-hours"]
    if cost["price"] is not None:
        words.append(f"{cost['price']:,.2f}{money} at {cost['price_per_device_hour']:g} an hour")
    if cost["share"] is not None:
        words.append(f"{cost['share']:.1%} of {cost['quota_device_hours']:g} device-hours")
    return ", ".join(words)
