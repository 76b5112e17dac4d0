"""A sweep as one HTML page: self-contained, the same bytes for the same input."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from statistics import median
from typing import Any

from ftcore.report import format as fmt
from ftcore.report.overlaid import MEASURES, Lines, overlaid
from ftcore.report.palette import MOST, Mark
from ftcore.report.summary import Figure
from ftcore.report.sweep import effects, heatmap, trials
from ftcore.report.sweep.parallel import parallel_chart
from ftcore.report.sweep.scale import KeyAxis, key_axis, result_scale, value_text
from ftcore.sweeps.failures import MEMORY, Group
from ftcore.sweeps.importance import Importance, importance
from ftcore.sweeps.overview import Overview, took
from ftcore.sweeps.table import Objective, Row

MOST_AXES = 9
"""Of the parallel axes, and of the charts of one key: the most important."""

NAMES = 30
"""Choices that a key may have to be an axis of the heatmap."""

TOLD = 12
"""Numbers of trials of a group of failures."""

CURVES_BESIDE = 40
"""Grey ones."""


@dataclass(frozen=True)
class Sweep:
    """What the page is made of."""

    told: Mapping[str, Any]
    """`sweep.json`."""

    aim: Objective
    rows: Sequence[Row]
    whole: Overview
    failures: Sequence[Group]
    over: bool
    waits: Mapping[str, int]
    device_hours: float
    device: str
    """What it is hours of: `Accelerator` or `CPU process`."""

    metrics: Mapping[int, Lines]
    """Trial -> lines of metrics.jsonl by step, of those whose curves are wanted."""

    links: Mapping[int, str]
    """Trial -> its own page, as seen from this one."""

    best_commands: Sequence[tuple[str, str]]
    """(What it does, command line) for the best trial."""

    commands: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Head:
    """A trial of the curves."""

    mark: Mark
    name: str


def render_sweep(sweep: Sweep, x: str | None = None, y: str | None = None) -> str:
    """The page as the text of an HTML file; write it as UTF-8.

    `x` and `y` are the heatmap's keys, by default the two most important. Everything is escaped.
    """
    rows, ranking = sweep.rows, sweep.whole.ranking
    scale = result_scale([row.value or 0.0 for row in ranking], sweep.aim.maximize)
    found = importance(
        [row.point for row in ranking], [row.value or 0.0 for row in ranking], maximize=sweep.aim.maximize
    )
    axes = ordered_axes(sweep, found)
    across = axes[:MOST_AXES]
    table = trials.columns(rows, sweep.aim)
    curves, heads = _curves(sweep)
    script = _text("several.js") + _text("sweep.js")
    heat = _heat(sweep, axes, scale, x, y)
    return (
        _environment()
        .get_template("sweep.html.j2")
        .render(
            name=fmt.text(sweep.told.get("name")) or "unnamed sweep",
            id=fmt.text(sweep.told.get("id")),
            state=_state(sweep),
            facts=_facts(sweep),
            command=fmt.text(sweep.told.get("command")),
            figures=_figures(sweep),
            best=ranking[0] if ranking else None,
            point=[(key, value_text(value)) for key, value in ranking[0].point.items()] if ranking else [],
            best_commands=sweep.best_commands,
            failures=_failures(sweep.failures),
            waits=sweep.waits,
            columns=table,
            lines=trials.lines(rows, ranking, table, sweep.aim, sweep.links),
            reasons=any(row.reason for row in rows),
            importance=found,
            left_out=sum(row.state == "completed" and not row.scored for row in rows),
            parallel=parallel_chart(rows, [*reversed(across)], scale, sweep.aim.label, ranking)
            if scale
            else "",
            fewer_axes=len(axes) - len(across),
            legend=_legend(scale),
            heat=heat,
            heat_asked=bool(x or y),
            effects=[effects.effect(rows, ranking, one, scale, sweep.aim.label) for one in across]
            if scale
            else [],
            aim=sweep.aim,
            heads=heads,
            curves=curves,
            highlighted=_highlighted(sweep, heads),
            commands=sweep.commands,
            script=script,
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def ordered_axes(sweep: Sweep, found: Importance | None) -> list[KeyAxis]:
    """The keys that vary, the most important first."""
    told = {axis["key"]: axis for axis in sweep.told.get("axes") or ()}
    rows = sweep.rows
    every = [
        key_axis(key, [row.point[key] for row in rows], told.get(key))
        for key in (rows[0].point if rows else ())
    ]
    varying = [axis for axis in every if len(axis.values) > 1] or every[:1]
    rank = {key: index for index, (key, _) in enumerate(found.shares)} if found else {}
    return sorted(varying, key=lambda axis: rank.get(axis.key, len(rank)))


def curve_numbers(rows: Sequence[Row], ranking: Sequence[Row]) -> list[int]:
    """Trials whose loss curves are drawn: the best, what is under way, and some of the others by rank."""
    best, rest = ranking[:MOST], ranking[MOST:]
    going = [row for row in rows if row.state in ("running", "pruned", "failed")]
    step = max(1, -(-(len(rest) + len(going)) // CURVES_BESIDE))
    return [row.number for row in (*best, *[*rest, *going][::step])]


def _curves(sweep: Sweep):
    best = [row for row in sweep.whole.ranking[:MOST] if sweep.metrics.get(row.number)]
    points = {row.number: _point(row) for row in sweep.rows}
    places = {row.number: place for place, row in enumerate(best)}
    marked = [(Mark(number, places.get(number)), lines) for number, lines in sweep.metrics.items() if lines]
    coloured = sorted(
        (mark for mark, _ in marked if mark.place is not None), key=lambda mark: mark.place or 0
    )
    heads = [Head(mark, points[mark.number]) for mark in coloured]
    return overlaid(marked, MEASURES[:2]) if marked else (), heads


def _highlighted(sweep: Sweep, heads: Sequence[Head]) -> str:
    others = sum(1 for lines in sweep.metrics.values() if lines) - len(heads)
    if others <= 0:
        return ""
    return f"the best {len(heads)} by {sweep.aim.label}" if heads else "none, for there is no result yet"


def _heat(sweep: Sweep, axes: Sequence[KeyAxis], scale, x: str | None, y: str | None):
    fit = [axis for axis in axes if axis.numeric or len(axis.values) <= NAMES]
    by_key = {axis.key: axis for axis in axes}
    chosen = [by_key[key] for key in (x, y) if key in by_key]
    chosen += [axis for axis in fit if axis not in chosen]
    if scale is None or len(chosen) < 2:
        return None
    first, second = chosen[:2] if x in by_key or y not in by_key else (chosen[1], chosen[0])
    return heatmap.heatmap(sweep.rows, first, second, scale, sweep.aim.maximize)


def _legend(scale) -> tuple[str, str]:
    if scale is None:
        return "", ""
    beyond = " or worse" if scale.clipped else ""
    return fmt.significant(scale.best), f"{fmt.significant(scale.worst)}{beyond}"


def _state(sweep: Sweep) -> tuple[str, str]:
    counts = dict(sweep.whole.counts)
    if not sweep.over:
        return "under way", "busy"
    if counts.get("unknown"):
        return "not to be seen from here", "warn"
    if counts.get("completed", 0) + counts.get("pruned", 0) == len(sweep.rows) and sweep.rows:
        return "completed", "good"
    return ("over", "warn") if counts.get("completed") else ("nothing completed", "bad")


def _facts(sweep: Sweep) -> list[tuple[str, str]]:
    told = sweep.told
    search = told.get("search") or {}
    axes = " × ".join(
        f"{axis['key']} ({len(axis['values']) or 'interval'})" for axis in told.get("axes") or ()
    )
    facts = [
        ("Sweep", told.get("id")),
        ("Created", fmt.timestamp(told.get("created"))),
        ("Search", f"{search.get('strategy', '')} over {axes}" if axes else search.get("strategy")),
        ("Judged by", f"{sweep.aim.label}, {'larger' if sweep.aim.maximize else 'smaller'} is better"),
        ("Cluster", told.get("cluster")),
        ("Left out by a condition", told.get("skipped") or None),
        ("Invalid and left out", len(told.get("invalid") or ()) or None),
        ("Runs there already", len(told.get("reused") or ()) or None),
    ]
    return [(label, fmt.text(value)) for label, value in facts if value not in (None, "")]


def _figures(sweep: Sweep) -> list[Figure]:
    whole, best = sweep.whole, sweep.whole.best
    tally = ", ".join(f"{count} {state}" for state, count in whole.counts)
    tokens = [row.figure("results.tokens") for row in sweep.rows]
    total = sum(one for one in tokens if isinstance(one, (int, float)))
    times = [seconds for row in sweep.rows if row.state == "completed" and (seconds := took(row)) is not None]
    found = [
        Figure(
            f"Best {sweep.aim.label}",
            fmt.significant(best.value or 0.0),
            f"trial {best.number}",
        )
        if best
        else Figure(f"Best {sweep.aim.label}", fmt.MISSING, "no trial has a result", "bad" * sweep.over),
        Figure("Trials", str(whole.total), tally),
        Figure(f"{sweep.device}-hours", fmt.significant(sweep.device_hours, 3), "all attempts together"),
    ]
    if total:
        found.append(Figure("Tokens", fmt.compact(total), "trained on, all trials"))
    if times:
        found.append(Figure("A trial", fmt.duration(median(times)), "the middle one, to its end"))
    if whole.seconds_left is not None and not sweep.over:
        found.append(Figure("To go", fmt.duration(whole.seconds_left), "as many at once as now"))
    return found


def _failures(groups: Sequence[Group]) -> list[tuple[int, str, str, str, str]]:
    """How many, in which state, why, what they have in common, and the trials."""
    found = []
    for group in groups:
        reason = fmt.text(group.example)
        if group.kind == MEMORY and MEMORY not in reason.lower():
            reason = f"{MEMORY}: {reason}"
        numbers = ", ".join(str(row.number) for row in group.rows[:TOLD])
        numbers += f" and {len(group.rows) - TOLD} more" * (len(group.rows) > TOLD)
        alike = group.alike if len(group.rows) > 1 else group.rows[0].point
        found.append((len(group.rows), group.state, reason, _said(alike), numbers))
    return found


def _said(point: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value_text(value)}" for key, value in point.items())


def _point(row: Row) -> str:
    return _said(row.point)


def _environment():
    from ftcore.report.page import environment

    return environment()


def _text(name: str) -> str:
    return (files("ftcore.report") / "templates" / name).read_text(encoding="utf-8")
