"""How `ftcore plan` prints times: a row, a table of the step's parts, and the arithmetic behind them."""

from typing import Any

from rich.console import Console
from rich.table import Table

SPANS = ((259_200, 86_400, "d"), (5400, 3600, "h"), (90, 60, "min"), (1.0, 1.0, "s"), (0.01, 1e-3, "ms"))
"""From so many seconds on, a unit of so many."""

SCALES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SHORT = {"operations": "FLOP", "bytes": "B", "parameters": " parameters"}


def row(time: dict[str, Any] | None) -> str:
    """The whole job in one line."""
    if time is None:
        return "not estimated: the model's shape is not known"
    if time["step_seconds"] is None:
        return f"not estimated: {time['why']}"
    one = f"{span(time['step_seconds'])} a step ({span(time['step_low'])} to {span(time['step_high'])}), "
    one += f"{time['tokens_per_second']:,.0f} tokens/s"
    basis = f"Rates: {time['source']}"
    if time["total_seconds"] is None:
        return f"{one}; {time['why']}. {basis}"
    return (
        f"{span(time['total_seconds'])} ({span(time['low'])} to {span(time['high'])}), "
        f"{time['accelerator_hours']:,.2f} accelerator-hours: {one}. {basis}"
    )


def show(time: dict[str, Any], console: Console) -> None:
    """Where a step's time goes, and what the job takes beside its steps."""
    table = Table(title=f"Time of one step, {span(time['step_seconds'])}", title_justify="left")
    table.add_column("part")
    table.add_column("", justify="right")
    table.add_column("share", justify="right")
    for name, seconds in time["parts"].items():
        table.add_row(name, span(seconds), f"{seconds / time['step_seconds']:.1%}")
    if time["beside"]:
        table.add_section()
        for name, seconds in time["beside"].items():
            table.add_row(f"{name}, roughly", span(seconds), "")
    console.print(table)


def explain(time: dict[str, Any], console: Console) -> None:
    """The arithmetic: amount / rate x times = seconds, term by term."""
    table = Table(title="Time of one step, term by term", title_justify="left")
    table.add_column("term")
    for heading in ("amount", "at", "times"):
        table.add_column(heading, justify="right")
    table.add_column("makes", justify="right")
    table.add_column("where the rate is from", overflow="fold")
    for one in time["terms"]:
        unit = SHORT[one["unit"]]
        table.add_row(
            one["name"], _scaled(one["amount"], unit), f"{_scaled(one['rate'], unit)}/s", str(one["times"]),
            span(one["seconds"]), one["source"],
        )  # fmt: skip
    if waiting := time["parts"].get("launches"):
        table.add_row("launches", "", "", "", span(waiting), "the card waits for the CPU to start kernels")
    table.add_section()
    table.add_row("in all", "", "", "", span(time["step_seconds"]), "")
    console.print(table)


def span(seconds: float) -> str:
    """`43.7 h`, `35.7 s`, `12 ms`."""
    for least, size, unit in SPANS:
        if seconds >= least:
            return f"{seconds / size:,.{0 if unit == 'ms' else 1}f} {unit}"
    return f"{1000 * seconds:.1f} ms"


def _scaled(value: float, unit: str) -> str:
    for size, prefix in SCALES:
        if value >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
