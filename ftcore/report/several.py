"""Several runs as one HTML page: how they stand, how they went, where they differ, how to do each again."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ftcore.report import differing, palette, summary
from ftcore.report import format as fmt
from ftcore.report.curves import trouble
from ftcore.report.overlaid import overlaid
from ftcore.report.side_by_side import side_by_side
from ftcore.report.standing import Column, Entry, columns, hardware, ranked, seconds

BEST = {1: "Highest", -1: "Lowest"}


@dataclass(frozen=True)
class Head:
    """What stands for a run wherever it is named."""

    mark: palette.Mark
    name: str
    id: str
    state: str
    tone: str
    created: str


@dataclass(frozen=True)
class Trouble:
    """What went wrong in a run, in a line or two, each with where."""

    head: Head
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Stage:
    """What a stage took in each run: text, and its share of the longest stage of any run, from 0 to 1."""

    name: str
    cells: tuple[tuple[str, float], ...]


def render_several(
    entries: Sequence[Entry],
    differences: Mapping[str, Mapping[str, Sequence[Any]]],
    again: Sequence[str],
    commands: Sequence[tuple[str, str]],
) -> str:
    """The page as the text of an HTML file; write it as UTF-8. Same input, same bytes.

    `differences` is section -> dotted key -> one value a run; `again` the command line that does each run
    again; `commands` (what it does, command line) for all of them together. Everything is escaped.
    """
    order, by = ranked(entries)
    marks = palette.marks(order)
    heads = tuple(_head(entry, mark) for entry, mark in zip(entries, marks, strict=True))
    table = columns(entries)
    # Only the page's own script may run, whatever a record holds.
    script = _template_text("several.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(
        heads=heads,
        columns=table,
        figures=_figures(table, heads, entries),
        troubles=_troubles(entries, heads),
        curves=overlaid([(mark, entry.lines) for mark, entry in zip(marks, entries, strict=True)]),
        highlighted="" if len(entries) <= palette.MOST else f"the best {palette.MOST} by {by}",
        evaluation=side_by_side(entries, marks, [head.name for head in heads]),
        sections=differing.sections(differences),
        stages=_stages(entries),
        wholes=tuple(fmt.duration(seconds(entry)[0]) for entry in entries),
        hardware=tuple(hardware(entry.record) for entry in entries),
        again=again,
        asked=tuple(fmt.text(entry.record.get("command")) for entry in entries),
        commands=commands,
        script=script,
        digest=digest,
    )


def _template():
    from ftcore.report.page import environment

    return environment().get_template("several.html.j2")


def _template_text(name: str) -> str:
    return (files("ftcore.report") / "templates" / name).read_text(encoding="utf-8")


def _head(entry: Entry, mark: palette.Mark) -> Head:
    record = entry.record
    return Head(
        mark,
        fmt.text(record.get("name")) or "unnamed run",
        fmt.text(record.get("id")) or fmt.MISSING,
        fmt.text(record.get("state")) or "unknown",
        summary.tone(record.get("state")),
        fmt.timestamp(record.get("created")),
    )


def _figures(table: Sequence[Column], heads: Sequence[Head], entries: Sequence[Entry]):
    """(label, value, who) of each measure that one run or a few stand out in, and how the runs ended."""
    found = []
    for one in table:
        winners = [i for i, won in enumerate(one.winners) if won]
        if winners and len(winners) < len(heads):
            who = ", ".join(f"{heads[i].mark.number} {heads[i].name}" for i in winners[:2])
            more = f" and {len(winners) - 2} more" if len(winners) > 2 else ""
            label = f"{BEST[one.best]} {one.label[0].lower()}{one.label[1:]}"
            found.append((label, one.cells[winners[0]].text, who + more))
    states = [head.state for head in heads]
    tally = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return [("Runs", str(len(entries)), tally), *found][:6]


def _troubles(entries: Sequence[Entry], heads: Sequence[Head]) -> tuple[Trouble, ...]:
    found = []
    for entry, head in zip(entries, heads, strict=True):
        failure = summary.failure(entry.record) if entry.record.get("state") == "failed" else None
        lines = [] if failure is None else [(failure.title, failure.where)]
        if said := trouble(entry.lines):
            lines.append((said, ""))
        if lines:
            found.append(Trouble(head, tuple(lines)))
    return tuple(found)


def _stages(entries: Sequence[Entry]) -> tuple[Stage, ...]:
    each = [
        {
            fmt.text(one.get("name")): summary.stage_seconds(one)
            for one in summary.rows(entry.record, "stages")
        }
        for entry in entries
    ]
    longest = max((took for one in each for took in one.values() if took), default=0)
    names = dict.fromkeys(name for one in each for name in one)
    return tuple(
        Stage(
            name,
            tuple(
                (fmt.duration(one.get(name)), (one.get(name) or 0) / longest if longest else 0)
                for one in each
            ),
        )
        for name in names
    )
