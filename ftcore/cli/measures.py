"""Base against tuned as a table for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

LABELS = {
    "well_formed": "well-formed replies",
    "right_tool": "right tool",
    "right_arguments": "right tool and arguments",
    "refused_wrongly": "refused, a call was due",
    "refused_rightly": "refused where no tool fits",
    "correct": "correct by BFCL's checker",
}
MINUS = "\N{MINUS SIGN}"


def comparison(results: Mapping[str, Any], title: str, *, hidden: tuple[str, ...] = ()) -> Table:
    """A row a measure: count and share of both models, the difference in points with its 95 % interval.

    `results` is {"base", "tuned", "difference"?} as the record has it; measures of no case are left out.
    """
    sides = {who: side for who in ("base", "tuned") if (side := results.get(who))}
    changes = results.get("difference") or {}
    table = Table(title=title, title_justify="left")
    table.add_column("measure")
    for heading in (*sides, *(["difference"] if changes else [])):
        table.add_column(heading, justify="right")
    for name in dict.fromkeys((*LABELS, *(name for side in sides.values() for name in side))):
        cells = [side.get(name) for side in sides.values()]
        if name in hidden or not any(isinstance(cell, Mapping) for cell in cells):
            continue
        texts = [_cell(cell) for cell in cells]
        if not any(texts):
            continue
        change = [_change(changes[name]) if name in changes else ""] if changes else []
        table.add_row(LABELS.get(name, name.replace("_", " ")), *texts, *change)
    return table


def _cell(measure: Any) -> str:
    if not isinstance(measure, Mapping):
        return ""
    if "value" in measure:
        return f"{measure['value']:.2f}"
    if not measure.get("of"):
        return ""
    return f"{measure['count']}/{measure['of']}  {100 * measure['share']:.0f} %"


def _change(change: Mapping[str, Any]) -> str:
    """`+12 (+3 to +21)` points, or for a perplexity `+4.1 % (+2.0 to +6.3)`."""
    if "ratio" in change:
        middle, low, high = (_signed(100 * (change[key] - 1), 1) for key in ("ratio", "low", "high"))
        return f"{middle} % ({low} to {high})"
    middle, low, high = (_signed(100 * change[key], 0) for key in ("difference", "low", "high"))
    return f"{middle} ({low} to {high})"


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text[1:]
