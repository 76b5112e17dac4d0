"""The tables of docs/plan.md, of what was kept from several cards."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.plan.configurations import EVERY, Configuration
from bench.plan.table import error, late

Rows = Sequence[Mapping[str, Any]]

SHORT = {
    "kernels=fast": "fast", "kernels=fast_fp8": "fast_fp8", "kernels=stock": "stock",
    "model.activation_checkpointing=true": "recomputed", "model.activation_checkpointing=false": "kept",
    "lora.targets=[q_proj,v_proj]": "q, v", "lora.targets=[q_proj,k_proj,v_proj,o_proj]": "attention's four",
    "parallelism.sequence_parallel=2": "sequence_parallel=2",
}  # fmt: skip
"""Of a configuration's words; seven projections are what goes without saying."""


def memory(cards: Mapping[str, Rows]) -> str:
    """Peaks: what each card took beside what the model says of it."""
    heads = [f"{card}: GiB | plan | error" for card in cards]
    return "\n".join(_table(["", "", "what", *heads], cards, "measured_gib", "predicted_gib", error, 2))


def time(cards: Mapping[str, Rows]) -> str:
    """Steps, likewise; without the column that `memory` has."""
    heads = [f"{card}: s | plan | error" for card in cards]
    return "\n".join(_table(["", "", *heads], cards, "step_seconds", "planned_seconds", late, 3))


def _table(
    heads: list[str], cards: Mapping[str, Rows], measured: str, planned: str, off: Any, digits: int
) -> Iterator[str]:
    first = f"| {' | '.join(heads)} |"
    yield first
    yield "|" + "---|" * (first.count("|") - 1)
    of = {card: {row["name"]: row for row in rows} for card, rows in cards.items()}
    for one in EVERY:
        if not any(one.name in rows for rows in of.values()):
            continue
        cells = [one.name, "held out" if one.held_out else ""]
        cells += [told(one)] if "what" in heads else []
        for rows in of.values():
            cells += _cells(rows.get(one.name), measured, planned, off, digits)
        yield f"| {' | '.join(cells)} |"


def _cells(
    row: Mapping[str, Any] | None, measured: str, planned: str, off: Any, digits: int
) -> tuple[str, str, str]:
    if row is None or row[planned] is None:
        return "", "", ""
    if measured not in row:
        return row["failed"], f"{row[planned]:.{digits}f}", ""
    return f"{row[measured]:.{digits}f}", f"{row[planned]:.{digits}f}", f"{100 * off(row):+.1f} %"


def told(one: Configuration) -> str:
    """`1 x 4096, fast rank=64`."""
    words = [
        SHORT.get(word, word.removeprefix("kernels.").removeprefix("parallelism="))
        for word in one.words
        if "gate_proj" not in word or one.name.startswith("moe")
    ]
    words = ["all seven" if "gate_proj" in word else word for word in words]
    cards = f" on {one.devices} cards" if one.devices > 1 else ""
    return f"{one.batch} x {one.length}, {' '.join(words)}{cards}"
