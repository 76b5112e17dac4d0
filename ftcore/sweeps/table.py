"""A sweep's trials as rows: what each was, how it stands, what came of it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.listing.query import typed
from ftcore.sweeps import directory, standing
from ftcore.sweeps.directory import SweepDirectory

MEASURES = ("right_arguments", "right_tool", "well_formed")
"""Of an evaluation, the strictest first."""

KEYS = (
    "results.first_loss", "results.tokens", "results.peak_memory_gib", "attempts", "attempt.started",
    "attempt.ended", "launch.nodes", "launch.tasks_per_node", "hardware.accelerator", "hardware.memory_gib",
    "error.type", "error.message", "error.stage",
    *(f"results.evaluation.tuned.{key}.share" for key in MEASURES),
)  # fmt: skip
"""Of the record, beside what `standing` looks at."""

WORDS = {"true": True, "false": False, "null": None}
PRUNED = re.compile(r"pruned\b")


@dataclass(frozen=True, slots=True)
class Objective:
    """What a sweep judges its trials by."""

    key: str
    """Of the record."""

    label: str
    maximize: bool = False

    def better(self, value: float) -> float:
        """A number that is the smaller the better `value` is."""
        return -value if self.maximize else value


LOSS = Objective("results.end_loss", "end loss")
"""The mean of the last steps: `loss` alone is the last step's."""


@dataclass(frozen=True, slots=True)
class Row:
    """One trial."""

    number: int
    run: str
    """`NAME/ID` below the runs folder."""

    state: str
    """The record's; `queued` where its array's task waits, `pruned` where the search ended it, `gone` where
    there is no record any more."""

    point: Mapping[str, Any]
    """Swept key -> number, bool, None or text."""

    value: float | None
    """The result that the sweep judges by; it may be NaN or infinite."""

    reason: str = ""
    """Why it ended as it did, where it did not complete."""

    figures: Mapping[str, Any] | None = None
    """Key of the record -> value."""

    @property
    def id(self) -> str:
        return self.run.rpartition("/")[2]

    @property
    def scored(self) -> bool:
        """Whether it is completed, with a result that can be compared."""
        return self.state == "completed" and self.value is not None and math.isfinite(self.value)

    def figure(self, key: str) -> Any:
        return (self.figures or {}).get(key)


def objective(told: Mapping[str, Any]) -> Objective:
    """Of `sweep.json`."""
    search = told.get("search") or {}
    metric = search.get("metric") or "loss"
    if metric == "loss":
        return Objective(LOSS.key, LOSS.label, search.get("direction") == "maximize")
    return Objective(f"results.{metric}", metric, search.get("direction") == "maximize")


def rows(sweep: SweepDirectory) -> list[Row]:
    """All trials so far, in order of number."""
    told = directory.read(sweep)
    aim = objective(told)
    points = {entry.number: point(entry.point) for entry in directory.trials(sweep)}
    keys = keys_of(told, list(points.values()))
    # A trial that does not say a key which others vary has what the configuration says.
    own = {key: [f"{root}{key}" for root in ("config.", "choices.")] for key in keys}
    found = standing.standings(sweep, [*KEYS, aim.key, *(name for names in own.values() for name in names)])
    made = []
    for one in found:
        values = points[one.entry.number]
        for key in keys:
            if key not in values:
                values[key] = next((v for n in own[key] if (v := one.figures.get(n)) is not None), None)
        whole = {key: values[key] for key in keys}
        state, reason = _ended(one.state, one.figures)
        # A search's own judgement, where there is one, is what it went by.
        judged = one.figures.get("judged.value") if state == "completed" else None
        value = number(one.figures.get(aim.key) if judged is None else judged)
        made.append(Row(one.entry.number, one.entry.run, state, whole, value, reason, one.figures))
    return made


def keys_of(told: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that vary, in the order of the command line."""
    axes = [axis["key"] for axis in told.get("axes") or ()]
    return list(dict.fromkeys([*axes, *(key for point in points for key in point)]))


def point(words: Sequence[str]) -> dict[str, Any]:
    """Overrides as key -> plain value: numbers, booleans and null as such, anything else as text."""
    found: dict[str, Any] = {}
    for word in words:
        key, _, text = word.lstrip("+~").partition("=")
        if text[:1] in "'\"" and text[-1:] == text[:1] and len(text) > 1:
            found[key] = text[1:-1].replace("\\'", "'").replace("\\\\", "\\")
        else:
            found[key] = WORDS[text.lower()] if text.lower() in WORDS else typed(text)
    return found


def ranked(found: Sequence[Row], aim: Objective) -> list[Row]:
    """Rows with a result, the best first."""
    return sorted(
        (row for row in found if row.scored), key=lambda row: (aim.better(row.value or 0.0), row.number)
    )


def number(value: Any) -> float | None:
    """A figure of a record as a number; JSON's writers spell NaN as text."""
    if isinstance(value, str) and value.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _ended(state: str, figures: Mapping[str, Any]) -> tuple[str, str]:
    reason = str(figures.get("attempt.reason") or "")
    if state == "cancelled" and PRUNED.match(reason):
        return "pruned", reason
    if state == "failed" and figures.get("error.message"):
        kind = figures.get("error.type")
        return state, f"{kind}: {figures['error.message']}" if kind else str(figures["error.message"])
    return state, reason if state not in ("completed", "running", "created", "queued") else ""
