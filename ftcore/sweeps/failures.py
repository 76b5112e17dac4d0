"""Reasons why trials did not complete, alike ones together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.sweeps.table import Row

MEMORY = "out of memory"
OUT_OF_MEMORY = re.compile(r"out ?of ?memory", re.I)
VARYING = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?|/\S+", re.I)
"""What differs between two tellings of one reason: numbers, addresses, paths."""


@dataclass(frozen=True, slots=True)
class Group:
    """Trials that ended in one state for one reason."""

    state: str
    kind: str
    """`out of memory`, or the first telling of the reason."""

    example: str
    """The reason as it was told first, whole."""

    rows: tuple[Row, ...]

    @property
    def alike(self) -> dict[str, Any]:
        """The swept keys, with their values, in which all trials of the group are the same; none of a trial
        alone."""
        points = [row.point for row in self.rows]
        if len(points) < 2:
            return {}
        return {key: value for key, value in points[0].items() if all(one[key] == value for one in points)}


def grouped(found: Sequence[Row], states: Sequence[str] = ("failed",)) -> list[Group]:
    """Trials in those states by reason, the most frequent reason first."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        if row.state in states:
            reason = row.reason or "no reason in its record"
            key = MEMORY if OUT_OF_MEMORY.search(reason) else VARYING.sub("#", reason)
            groups.setdefault((row.state, key), []).append(row)
    made = [
        Group(state, MEMORY if key == MEMORY else _said(rows[0]), _said(rows[0]), tuple(rows))
        for (state, key), rows in groups.items()
    ]
    return sorted(made, key=lambda group: (-len(group.rows), group.rows[0].number))


def _said(row: Row) -> str:
    return row.reason or "no reason in its record"
