"""How runs stand beside each other: the cells of the table of runs, and which of them came out best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ftcore.report import format as fmt
from ftcore.report.comparison import measure_name, share_of
from ftcore.report.curves import column, finite
from ftcore.report.summary import child, rows

PREFERRED = ("right_arguments", "right_tool", "well_formed")
"""The strictest first: by it runs are ranked. Of others it is not known which way is better."""

Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Entry:
    """A run as the page needs it: record.json, the lines of metrics.jsonl by step, evaluation.json."""

    record: Mapping[str, Any]
    lines: Lines
    evaluation: Mapping[str, Any] | None


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and the number that it has; `named` where it sorts by its text."""

    text: str
    value: float | None = None
    note: str = ""
    tone: str = ""
    named: bool = False

    @property
    def key(self) -> str:
        """What it sorts by; empty, and so last, where it has no finite number."""
        return self.text if self.named else repr(self.value) if _real(self.value) else ""


@dataclass(frozen=True)
class Column:
    """A measure over all runs. `best` is 1 where more is better, -1 where less is, 0 where neither."""

    label: str
    cells: tuple[Cell, ...]
    best: int = 0

    @property
    def winners(self) -> tuple[bool, ...]:
        """Which runs have the best value; none where all have the same, or only one has any."""
        values = [c.value * self.best if _real(c.value) else -math.inf for c in self.cells]
        known = {value for value in values if value > -math.inf}
        return tuple(bool(self.best) and len(known) > 1 and value == max(known) for value in values)


def columns(entries: Sequence[Entry]) -> tuple[Column, ...]:
    """The columns of the table of runs, those that no run has anything for left out."""
    measures = tuple(
        Column(measure_name(key), tuple(_measured(one, key) for one in entries), int(key in PREFERRED))
        for key in measure_keys(entries)[:2]
    )
    every = (
        Column("Final loss", tuple(_loss(one) for one in entries), -1),
        *measures,
        Column("Tokens / s", tuple(_speed(one) for one in entries), 1),
        Column("Peak memory", tuple(_memory(one) for one in entries), -1),
        Column("Duration", tuple(_duration(one) for one in entries)),
        Column("Steps", tuple(_steps(one) for one in entries)),
        Column("Tokens", tuple(_tokens(one) for one in entries)),
        Column("Attempts", tuple(_attempts(one) for one in entries)),
        Column("Hardware", tuple(Cell(hardware(one.record), named=True) for one in entries)),
    )
    return tuple(one for one in every if any(cell.text != fmt.MISSING for cell in one.cells))


def measure_keys(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The measures of any run's tuned side, the strictest first."""
    found = [key for one in entries for key in tuned(one) if share_of(tuned(one)[key]) is not None]
    return tuple(dict.fromkeys([key for key in PREFERRED if key in found] + found))


def tuned(entry: Entry) -> Mapping[str, Any]:
    """The measures after training; those of the record where evaluation.json is gone."""
    return side(entry, "tuned")


def side(entry: Entry, name: str) -> Mapping[str, Any]:
    """The measures of one side, `base` or `tuned`; empty where there are none."""
    held = entry.evaluation if isinstance(entry.evaluation, Mapping) else {}
    return child(held, name) or child(child(child(entry.record, "results"), "evaluation"), name)


def ranked(entries: Sequence[Entry]) -> tuple[list[int], str]:
    """Indices of the runs, best first, and what decides: the strictest measure where two runs or more have
    it, else the final loss, which also parts those that are level."""
    keys = [key for key in measure_keys(entries) if key in PREFERRED]
    shares = [share_of(tuned(one).get(keys[0])) if keys else None for one in entries]
    by_share = sum(share is not None for share in shares) > 1

    def key(index: int) -> tuple[float, float, int]:
        share, loss = shares[index], _loss(entries[index]).value
        first = -share.value if by_share and share is not None else math.inf
        return first, loss if _real(loss) else math.inf, index

    order = sorted(range(len(entries)), key=key)
    return order, measure_name(keys[0]).lower() if by_share else "final loss"


def seconds(entry: Entry) -> tuple[float | None, bool]:
    """How long the attempts took together, and whether the newest is not over: then up to its last step."""
    total, open_ended, known = 0.0, False, False
    attempts = rows(entry.record, "attempts")
    for index, attempt in enumerate(attempts):
        ended = attempt.get("ended")
        if ended is None and index == len(attempts) - 1:
            open_ended, ended = True, entry.lines[-1].get("time") if entry.lines else None
        took = fmt.elapsed(attempt.get("started"), ended)
        if took is not None:
            total, known = total + took, True
    return (total if known else None), open_ended


def hardware(record: Mapping[str, Any]) -> str:
    """What a run ran on, in a line: `6 × 4 K100_AI`, or `CPU` of one."""
    machine, launch = child(record, "hardware"), child(record, "launch")
    card = fmt.text(machine.get("card")) or fmt.text(machine.get("accelerator"))
    nodes = fmt.number(launch.get("nodes"))
    each = fmt.number(launch.get("tasks_per_node")) or fmt.number(machine.get("devices_per_node"))
    if not card or nodes is None or each is None or nodes * each == 1:
        return card or fmt.MISSING
    return f"{nodes:.0f} × {each:.0f} {card}" if nodes > 1 else f"{each:.0f} {card}"


def _attempts(entry: Entry) -> Cell:
    count = len(rows(entry.record, "attempts"))
    return Cell(str(count), count)


def _loss(entry: Entry) -> Cell:
    results = child(entry.record, "results")
    loss, first = fmt.number(results.get("final_loss")), fmt.number(results.get("first_loss"))
    note = f"from {fmt.significant(first)}" if first is not None else ""
    written = column(entry.lines, "loss")
    if loss is None and written.y:
        loss, note = written.y[-1], f"at step {written.x[-1]:.0f}"
    if loss is None:
        return Cell(fmt.MISSING)
    return Cell(fmt.significant(loss), loss, note, "" if math.isfinite(loss) else "bad")


def _measured(entry: Entry, key: str) -> Cell:
    after, before = share_of(tuned(entry).get(key)), share_of(side(entry, "base").get(key))
    if after is None:
        return Cell(fmt.MISSING)
    return Cell(fmt.percent(after.value), after.value, f"from {fmt.percent(before.value)}" if before else "")


def _speed(entry: Entry) -> Cell:
    speed = fmt.number(child(entry.record, "results").get("tokens_per_second"))
    if speed is None and (written := finite(column(entry.lines, "tokens_per_second").y)):
        speed = median(written)
    return Cell(fmt.MISSING) if speed is None else Cell(fmt.compact(speed), speed)


def _memory(entry: Entry) -> Cell:
    memory = fmt.number(child(entry.record, "results").get("peak_memory_gib"))
    if memory is None and (written := finite(column(entry.lines, "memory_gib").y)):
        memory = max(written)
    there = fmt.number(child(entry.record, "hardware").get("memory_gib"))
    if memory is None:
        return Cell(fmt.MISSING)
    return Cell(
        f"{fmt.significant(memory, 3)} GiB", memory, f"of {fmt.significant(there, 3)} GiB" if there else ""
    )


def _duration(entry: Entry) -> Cell:
    took, so_far = seconds(entry)
    return Cell(fmt.duration(took), took, "so far" if so_far and took is not None else "")


def _steps(entry: Entry) -> Cell:
    steps = fmt.number(child(entry.record, "results").get("steps"))
    if steps is None and entry.lines:
        steps = fmt.number(entry.lines[-1]["step"])
    return Cell(fmt.whole(steps), steps)


def _tokens(entry: Entry) -> Cell:
    tokens = fmt.number(child(entry.record, "results").get("tokens"))
    if tokens is None and (written := finite(column(entry.lines, "tokens").y)):
        tokens = sum(written)
    return Cell(fmt.MISSING) if tokens is None else Cell(fmt.compact(tokens), tokens)


def _real(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
