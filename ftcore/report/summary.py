"""record.json as what the page shows: key figures, stages, attempts, facts, files, and what to type next."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ftcore.report import format as fmt
from ftcore.report.curves import column, finite

TONES = {"completed": "good", "failed": "bad", "cancelled": "quiet", "running": "busy", "preempted": "warn"}
KEY_PACKAGES = ("torch", "transformers", "xtuner", "mmengine", "deepspeed", "peft", "datasets", "ftcore")
_CODE = frozenset(
    (
        "id",
        "config_hash",
        "reproduces",
        "commit",
        "diff_sha256",
        "source_sha256",
        "sha256",
        "cache_key",
        "path",
        "hostname",
        "job_id",
        "arch",
    )
)


@dataclass(frozen=True)
class Figure:
    """One number that a reader looks for first."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Fact:
    """A name and a value; `code` where it is an identifier, a path or a hash."""

    label: str
    value: str
    code: bool = False


@dataclass(frozen=True)
class Step:
    """One stage or attempt. `share` is its part of the time of all of them, from 0 to 1."""

    name: str
    state: str
    tone: str
    started: str
    ended: str
    took: str
    share: float
    detail: str
    nodes: str = ""


@dataclass(frozen=True)
class Failure:
    """The error that ended a run, or that its last attempt met."""

    heading: str
    title: str
    where: str
    traceback: str


@dataclass(frozen=True)
class Artifact:
    """A file that the run left."""

    path: str
    size: str
    sha256: str


def child(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A nested mapping of the record; empty where it is missing or null."""
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def rows(record: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A list of mappings in the record; empty where it is missing or null."""
    value = record.get(key)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, Sequence) else []


def tone(state: Any) -> str:
    """The colour class of a state."""
    return TONES.get(state, "quiet") if isinstance(state, str) else "quiet"


def figures(record: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> tuple[Figure, ...]:
    """The key figures; one that the record lacks is taken from the metrics, and its note says so."""
    results = child(record, "results")
    return (
        _final_loss(results, lines),
        _tokens(results, child(record, "data")),
        _speed(results, lines),
        _memory(results, lines, child(record, "hardware")),
        _duration(record),
    )


def _final_loss(results: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Figure:
    loss, written = fmt.number(results.get("final_loss")), column(lines, "loss")
    first = fmt.number(results.get("first_loss"))
    note = f"from {fmt.significant(first)}" if first is not None else ""
    if loss is None and written.y:
        loss, note = written.y[-1], f"at step {written.x[-1]:.0f}, the last one written"
    if loss is None:
        return Figure("Final loss", fmt.MISSING)
    return Figure("Final loss", fmt.significant(loss), note, "" if math.isfinite(loss) else "bad")


def _tokens(results: Mapping[str, Any], data: Mapping[str, Any]) -> Figure:
    tokens, steps = fmt.number(results.get("tokens")), results.get("steps")
    note = f"in {fmt.whole(steps)} steps" if fmt.number(steps) is not None else ""
    if tokens is None:
        prepared = fmt.number(data.get("tokens"))
        note = f"{fmt.compact(prepared)} prepared" if prepared else note
        return Figure("Tokens trained", fmt.MISSING, note)
    return Figure("Tokens trained", fmt.compact(tokens), note)


def _speed(results: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Figure:
    speed, note = fmt.number(results.get("tokens_per_second")), "real tokens, all ranks"
    expected = fmt.number(child(results, "predicted").get("step_seconds"))
    if expected is not None:
        note = f"{note}; {fmt.significant(expected, 3)} s a step expected{_came(results)}"
    if speed is None and (written := finite(column(lines, "tokens_per_second").y)):
        speed, note = median(written), "median of the steps"
    if speed is None:
        return Figure("Tokens per second", fmt.MISSING)
    return Figure("Tokens per second", fmt.compact(speed), note)


def _came(results: Mapping[str, Any]) -> str:
    """What a step took."""
    seconds, steps = fmt.number(results.get("training_seconds")), fmt.number(results.get("steps"))
    return f", {fmt.significant(seconds / steps, 3)} s came" if seconds and steps else ""


def _memory(results: Mapping, lines: Sequence[Mapping[str, Any]], hardware: Mapping) -> Figure:
    memory, there = fmt.number(results.get("peak_memory_gib")), fmt.number(hardware.get("memory_gib"))
    note = f"of {fmt.significant(there, 3)} GiB a device" if there else ""
    expected = fmt.number(child(results, "predicted").get("peak_memory_gib"))
    if expected is not None:
        note = f"{note}{', ' * bool(note)}{fmt.significant(expected, 3)} expected"
    if memory is None and (written := finite(column(lines, "memory_gib").y)):
        memory = max(written)
    return Figure("Peak memory", fmt.MISSING if memory is None else f"{fmt.significant(memory, 3)} GiB", note)


def _duration(record: Mapping[str, Any]) -> Figure:
    attempts, stages = rows(record, "attempts"), rows(record, "stages")
    took = [fmt.elapsed(one.get("started"), one.get("ended")) for one in attempts]
    if any(seconds is not None for seconds in took):
        note = f"over {len(attempts)} attempts" if len(attempts) > 1 else ""
        return Figure("Duration", fmt.duration(sum(filter(None, took))), note)
    seconds = [value for one in stages if (value := fmt.number(one.get("seconds"))) is not None]
    return Figure("Duration", fmt.duration(sum(seconds)) if seconds else fmt.MISSING)


def stages(record: Mapping[str, Any]) -> tuple[Step, ...]:
    """The stages in the order in which they ran."""
    return _steps(rows(record, "stages"), lambda one: fmt.text(one.get("name")), "detail")


def attempts(record: Mapping[str, Any]) -> tuple[Step, ...]:
    """The attempts with the reason for which each ended."""
    return _steps(rows(record, "attempts"), lambda one: fmt.text(one.get("number")), "reason")


def _detail(value: Any) -> str:
    """A stage's figures as `tokens 44k, samples 73`; anything else as text."""
    if not isinstance(value, Mapping):
        return fmt.text(value)
    figures = ((fmt.text(name).replace("_", " "), fmt.number(one)) for name, one in value.items())
    return ", ".join(f"{name} {fmt.significant(one)}" for name, one in figures if one is not None)


def _steps(found: Sequence[Mapping[str, Any]], name_of, detail: str) -> tuple[Step, ...]:
    took = [stage_seconds(one) for one in found]
    longest = max((seconds for seconds in took if seconds), default=0)
    return tuple(
        Step(
            name=name_of(one),
            state=fmt.text(one.get("state")),
            tone=tone(one.get("state")),
            started=fmt.timestamp(one.get("started")),
            ended=fmt.timestamp(one.get("ended")),
            took=fmt.duration(seconds),
            share=(seconds or 0) / longest if longest else 0,
            detail=_detail(one.get(detail)),
            nodes=_joined(one.get("nodes")),
        )
        for one, seconds in zip(found, took, strict=True)
    )


def stage_seconds(one: Mapping[str, Any]) -> float | None:
    """What a stage or an attempt took, or None where it does not say."""
    took = fmt.number(one.get("seconds"))
    if took is None:
        took = fmt.elapsed(one.get("started"), one.get("ended"))
    return took if took is not None and math.isfinite(took) else None


def failure(record: Mapping[str, Any]) -> Failure | None:
    """What ended the run; also where it failed without leaving an error, for then that is the news."""
    failed = record.get("state") == "failed"
    heading = "This run failed" if failed else "The last error"
    error = record.get("error")
    if isinstance(error, str) and error:
        error = {"message": error}
    if not isinstance(error, Mapping) or not any(error.values()):
        if not failed:
            return None
        reasons = [one.get("reason") for one in rows(record, "attempts") if one.get("reason")]
        title = reasons[-1] if reasons else "It left no error in its record."
        return Failure(heading, fmt.text(title), "", "")
    title = ": ".join(filter(None, (fmt.text(error.get("type")), fmt.text(error.get("message")))))
    known = [key for key in ("stage", "rank", "node") if error.get(key) is not None]
    where = ", ".join(f"{key} {fmt.text(error[key])}" for key in known)
    return Failure(heading, title or "No message.", where, fmt.text(error.get("traceback")).strip("\n"))


def artifacts(record: Mapping[str, Any]) -> tuple[Artifact, ...]:
    """The files that the run left, as the record lists them."""
    return tuple(
        Artifact(fmt.text(one.get("path")), fmt.size(one.get("bytes")), fmt.text(one.get("sha256")))
        for one in rows(record, "artifacts")
    )


def packages(record: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Every installed package with its version, those that decide the numbers first."""
    found = child(child(record, "environment"), "packages")
    order = [name for name in KEY_PACKAGES if name in found]
    order += sorted((name for name in found if name not in KEY_PACKAGES), key=str)
    return tuple(Fact(fmt.text(name), fmt.text(found[name]), code=True) for name in order)


def facts(source: Mapping[str, Any], *wanted: tuple[str, str]) -> tuple[Fact, ...]:
    """The wanted (key, label) pairs that the mapping has. Hashes, paths and identifiers become code."""
    found = []
    for key, label in wanted:
        value = source.get(key)
        if value is None or value == "" or value == []:
            continue
        code = key in _CODE
        found.append(Fact(label, fmt.text(value) if code else _shown(value), code))
    return tuple(found)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return fmt.significant(value)
    return _joined(value)


def _joined(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return ", ".join(fmt.text(one) for one in value)
    return fmt.text(value)


def commands(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(what it does, command line) for what makes sense in the run's state."""
    run = shlex.quote(fmt.text(record.get("id")) or "RUN_ID")
    lines = [("write this page again", f"python -m ftcore report {run}")]
    if record.get("state") != "completed":
        lines.insert(0, ("go on from the newest valid checkpoint", f"python -m ftcore resume {run}"))
    lines.append(("the same program and configuration in a new run", f"python -m ftcore rerun {run}"))
    if command := fmt.text(record.get("command")):
        lines.append(("the same again with the program of today", command))
    return tuple(lines)
