"""Rows as tables."""

import statistics
from typing import Any

from rich.table import Table

COLUMNS = (
    "", "half", "predicted GiB", "measured", "error", "peak in", "recomputed", "of the card", "planned s",
    "measured", "error",
)  # fmt: skip
TEXT = ("", "half", "measured", "peak in")


def error(row: dict[str, Any]) -> float | None:
    """(predicted - measured) / measured; None where nothing was measured."""
    measured = row.get("measured_gib")
    return None if measured is None else row["predicted_gib"] / measured - 1


def late(row: dict[str, Any]) -> float | None:
    """Of a step's seconds, likewise."""
    measured, planned = row.get("step_seconds"), row.get("planned_seconds")
    return None if measured is None or planned is None else planned / measured - 1


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table(title="peak memory of a card, as torch's allocator counts it, and seconds of a step")
    for heading in COLUMNS:
        shown.add_column(heading, justify="left" if heading in TEXT else "right")
    for row in rows:
        off, time = error(row), late(row)
        shown.add_row(
            row["name"], "held out" if row["held_out"] else "known", f"{row['predicted_gib']:.2f}",
            row.get("failed") or f"{row.get('measured_gib', 0):.2f}", "" if off is None else f"{off:+.1%}",
            row["phase"], str(row["recomputed"]), f"{row['share_of_card']:.0%}",
            "" if time is None else f"{row['planned_seconds']:.3f}",
            f"{row['step_seconds']:.3f}" if "step_seconds" in row else "",
            "" if time is None else f"{time:+.1%}",
        )  # fmt: skip
    return shown


def errors(rows: list[dict[str, Any]]) -> Table:
    """Of both halves apart: how far off, and whether what does not fit was told."""
    shown = Table(title="errors")
    for heading in (
        "half", "configurations", "median", "worst", "most under", "fits called wrongly", "seconds: median",
        "worst",
    ):  # fmt: skip
        shown.add_column(heading, justify="left" if heading == "half" else "right")
    for name, half in (("known", False), ("held out", True)):
        of_half = [row for row in rows if row["held_out"] == half]
        off = [one for row in of_half if (one := error(row)) is not None]
        if off:
            times = [abs(one) for row in of_half if (one := late(row)) is not None]
            of_time = [f"{statistics.median(times):.1%}", f"{max(times):.1%}"] if times else []
            sizes, misses = [abs(one) for one in off], [row for row in of_half if wrong(row)]
            shown.add_row(
                name, str(len(of_half)), f"{statistics.median(sizes):.1%}", f"{max(sizes):.1%}",
                f"{min(off):+.1%}", str(len(misses)), *of_time,
            )  # fmt: skip
    return shown


def wrong(row: dict[str, Any]) -> bool:
    """Whether a card was said to have room and had not, or the other way round; what lies within 5 % of the
    card's size is not counted."""
    if abs(row["share_of_card"] - 1) <= 0.05:
        return False
    return (row.get("failed") == "out of memory") == (row["share_of_card"] < 1)
