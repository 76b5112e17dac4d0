"""What of a run goes to a tracker, as plain names and numbers."""

from typing import Any

from ftcore.config.nested import flat
from ftcore.runs.record import Record

Scalars = dict[str, float]

CLOSED = ("completed", "failed", "cancelled")
"""States after which nothing more comes, unless somebody resumes the run."""


def step_scalars(entry: dict[str, Any]) -> Scalars:
    """A line of `metrics.jsonl` by its own names, without the step and without what is unknown."""
    return _numbers({name: value for name, value in entry.items() if name not in ("step", "time")})


def outcome(record: Record) -> Scalars:
    """`stage/<name>/<figure>` of every stage, seconds included, and `evaluation/base/...` and `tuned/...`."""
    found: Scalars = {}
    for stage in record["stages"]:
        figures = {"seconds": stage["seconds"], **stage["detail"]}
        found |= {f"stage/{stage['name']}/{name}": value for name, value in _numbers(figures).items()}
    evaluation = flat(record["results"].get("evaluation") or {})
    return found | {
        f"evaluation/{name.replace('.', '/')}": value for name, value in _numbers(evaluation).items()
    }


def identity(record: Record, folder: str) -> dict[str, str]:
    """What leads from the tracker back to the run."""
    code = record.get("code") or {}
    names = {
        "run_id": record["id"], "run_name": record["name"], "config_hash": record["config_hash"],
        "run_directory": folder, "commit": code.get("commit"),
    }  # fmt: skip
    return {name: str(value) for name, value in names.items() if value is not None}


def hashes(record: Record) -> dict[str, str]:
    """Path in the run directory -> sha256 of everything the run made."""
    return {artifact["path"]: artifact["sha256"] for artifact in record["artifacts"]}


def _numbers(values: dict[str, Any]) -> Scalars:
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
