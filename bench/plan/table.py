"""Rows as tables."""

import statistics
from typing import Any

from rich.table import Table

COLUMNS = (
    "",
    "half",
    "predicted GiB",
    "measured",
    "error",
    "peak in",
    "recomputed",
    "of the card",
    "s a step",
)
TEXT = ("", "half", "measured", "peak in")


def error(row: dict[str, Any]) -> float | None:
    """(predicted - measured) / measured; None where nothing was measured."""
    measured = row.get("measured_gib")
    return None if measured is None else row["predicted_gib"] / measured - 1


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table(title="peak memory of a card, as torch's allocator counts it")
    for heading in COLUMNS:
        shown.add_column(heading, justify="left" if heading in TEXT else "right")
    for row in rows:
        off = error(row)
        shown.add_row(
            row["name"], "held out" if row["held_out"] else "known", f"{row['predicted_gib']:.2f}",
            row.get("failed") or f"{row.get('measured_gib', 0):.2f}", "" if off is None else f"{off:+.1%}",
            row["phase"], str(row["recomputed"]), f"{row['share_of_card']:.0%}",
            f"{row['step_seconds']:.3f}" if "step_seconds" in row else "",
        )  # fmt: skip
    return shown


def errors(rows: list[dict[str, Any]]) -> Table:
    """Of both halves apart: how far off, and whether what does not fit was told."""
    shown = Table(title="errors")
    for heading in ("half", "configurations", "median", "worst", "most under", "fits called wrongly"):
        shown.add_column(heading, justify="left" if heading == "half" else "right")
    for name, half in (("known", False), ("held out", True)):
        of_half = [row for row in rows if row["held_out"] == half]
        off = [one for row in of_half if (one := error(row)) is not None]
        if off:
            sizes, misses = [abs(one) for one in off], [row for row in of_half if wrong(row)]
            shown.add_row(
                name, str(len(of_half)), f"{statistics.median(sizes):.1%}", f"{max(sizes):.1%}",
                f"{min(off):+.1%}", str(len(misses)),
            )  # fmt: skip
    return shown


def wrong(row: dict[str, Any]) -> bool:
    """Whether a card was said to have room and had not, or the other way round; what lies within 5 % of the
    card's size is not counted."""
    if abs(row["share_of_card"] - 1) <= 0.05:
        return False
    return (row.get("failed") == "out of memory") == (row["share_of_card"] < 1)
