"""The rows as a table."""

from typing import Any

from rich.table import Table

COLUMNS = (
    "",
    "rows",
    "batch",
    "tokens/s",
    "of peak",
    "GiB",
    "s a step",
    "tokens a step",
    "losses",
    "gradient norms",
)
TEXT = ("", "rows", "losses", "gradient norms")


def table(about: dict[str, Any], rows: list[dict[str, Any]]) -> Table:
    """A line a measurement; one that failed says why."""
    peak = f"{about['peak_tflops']} TFLOP/s" if about["peak_tflops"] else "unknown"
    shown = Table(
        title=f"{about['shape']}, LoRA r{about['rank']}, sequences of {about['sequence']}, {about['card']}",
        caption=f"tokens without padding, median of {about['timed']} optimiser steps by the clock;"
        f" share of the card's bf16 peak ({peak}) at 4 operations a weight and token (4N)",
    )
    for heading in COLUMNS:
        shown.add_column(heading, justify="left" if heading in TEXT else "right")
    for row in rows:
        shown.add_row(row["title"], row["form"], str(row["batch"]), *cells(row))
    return shown


def cells(row: dict[str, Any]) -> list[str]:
    """What was measured, as text."""
    if "failed" in row:
        return [*[""] * 5, row["failed"], ""]
    share = row["share_of_peak"]
    return [
        f"{row['tokens_per_second']:,.0f}",
        "" if share is None else f"{share:.1%}",
        f"{row['peak_memory_gib']:.1f}",
        f"{row['step_seconds']:.2f}",
        f"{row['tokens_per_step']:,}",
        numbers(row["losses"]),
        numbers(row["grad_norms"]),
    ]


def numbers(values: list[float | None]) -> str:
    return " ".join("-" if value is None else f"{value:.3f}" for value in values)
