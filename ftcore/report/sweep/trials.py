"""The table of all trials: headings and cells, on the page and as comma-separated values."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.report import format as fmt
from ftcore.report.comparison import measure_name
from ftcore.report.summary import tone
from ftcore.report.sweep.scale import is_number, value_text
from ftcore.sweeps.overview import took
from ftcore.sweeps.table import LOSS, MEASURES, Objective, Row, number

MISSING = "missing"
"""Sorts last."""

TONES = {"pruned": "quiet", "gone": "bad", "queued": "warn", "unknown": "warn"}


@dataclass(frozen=True)
class Column:
    """One heading; `key` is the record's, or empty where `of` is the swept key."""

    label: str
    key: str = ""
    of: str = ""
    descending: bool = False
    """Whether a first click is to show the largest first."""


@dataclass(frozen=True)
class Line:
    """A trial's row."""

    number: int
    place: int | None
    """Among those with a result, from 1."""

    state: str
    tone: str
    reason: str
    cells: tuple[tuple[str, str], ...]
    """Text, and what it sorts by where that is another."""

    link: str
    says: str
    """The whole trial in a line."""


def columns(rows: Sequence[Row], aim: Objective) -> list[Column]:
    """Those that any trial has something for."""
    keys = [Column(key, of=key) for key in (rows[0].point if rows else ())]
    wanted = [
        Column(aim.label, "value", descending=aim.maximize),
        *(
            Column(measure_name(name), f"results.evaluation.tuned.{name}.share", descending=True)
            for name in MEASURES
        ),
        *([Column("final loss", LOSS.key)] if aim.key != LOSS.key else []),
        Column("tokens / s", "results.tokens_per_second", descending=True),
        Column("peak GiB", "results.peak_memory_gib"),
        Column("steps", "results.steps"),
        Column("took", "seconds"),
    ]
    return keys + [column for column in wanted if any(_of(row, column) is not None for row in rows)]


def lines(
    rows: Sequence[Row],
    ranking: Sequence[Row],
    shown: Sequence[Column],
    aim: Objective,
    links: Mapping[int, str],
) -> tuple[Line, ...]:
    """The trials with a result first, the best on top; then the others by number."""
    place = {row.number: index for index, row in enumerate(ranking, 1)}
    rest = [row for row in rows if row.number not in place]
    return tuple(
        Line(
            row.number,
            place.get(row.number),
            row.state,
            TONES.get(row.state, tone(row.state)),
            fmt.text(row.reason),
            tuple(_cell(row, column) for column in shown),
            links.get(row.number, ""),
            _says(row, aim),
        )
        for row in (*ranking, *rest)
    )


def as_csv(rows: Sequence[Row], aim: Objective) -> str:
    """One row a trial, in order of number."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    shown = columns(rows, aim)
    keys = [column for column in shown if column.of]
    figures = [column for column in shown if column.key and column.key != "seconds"]
    figures += [
        Column(key, key)
        for key in ("results.first_loss", "results.tokens")
        if any(row.figure(key) is not None for row in rows)
    ]
    names = [(aim.key if one.key == "value" else one.key).removeprefix("results.") for one in figures]
    head = ["trial", "run", "state", *(column.of for column in keys), *names]
    writer.writerow([*head, "seconds", "started", "ended", "reason"])
    for row in rows:
        point = ["" if row.point[column.of] is None else row.point[column.of] for column in keys]
        found = [_of(row, column) for column in figures]
        times = [took(row), row.figure("attempt.started"), row.figure("attempt.ended")]
        reason = " ".join(row.reason.split())
        writer.writerow([row.number, row.run, row.state, *point, *found, *times, reason])
    return file.getvalue()


def _says(row: Row, aim: Objective) -> str:
    point = " ".join(f"{key}={value_text(value)}" for key, value in row.point.items())
    result = "" if row.value is None else f"{aim.label} {fmt.significant(row.value, 5)}, "
    return f"trial {row.number}: {point}, {result}{row.state}"


def _of(row: Row, column: Column) -> Any:
    if column.of:
        return row.point[column.of]
    if column.key in ("value", "seconds"):
        return row.value if column.key == "value" else took(row)
    return row.figure(column.key)


def _cell(row: Row, column: Column) -> tuple[str, str]:
    value = _of(row, column)
    if column.of:
        return value_text(value), repr(value) if is_number(value) else MISSING if value is None else ""
    found = number(value)
    if found is None:
        return "", ""
    if column.key == "seconds":
        return fmt.duration(found), repr(round(found, 1))
    if column.key.endswith(".share"):
        return fmt.percent(found), repr(found)
    if column.key == "results.steps":
        return f"{found:.0f}", ""
    text = fmt.compact(found) if column.key == "results.tokens_per_second" else fmt.significant(found, 5)
    return text, repr(found) if math.isfinite(found) else MISSING
