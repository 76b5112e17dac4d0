"""How commands speak of a sweep: its commands, its trials' points, spans of time."""

import shlex
from collections.abc import Mapping
from typing import Any

from ftcore.report import format as fmt
from ftcore.sweeps.directory import SweepDirectory


def command(name: str, sweep: SweepDirectory, *more: str) -> str:
    """`python -m ftcore NAME SWEEP`, as it is typed where the command is now."""
    return f"python -m ftcore {' '.join([name, sweep.id, *more])}{runs_dir(sweep)}"


def runs_dir(sweep: SweepDirectory) -> str:
    """The words that say where the runs lie, where that is not the default."""
    return "" if str(sweep.runs_dir) == "runs" else f" --runs-dir {shlex.quote(str(sweep.runs_dir))}"


def point(values: Mapping[str, Any]) -> str:
    """`lr=2e-4 rank=16`."""
    return " ".join(f"{key}={value(one)}" for key, one in values.items())


def value(one: Any) -> str:
    """A swept value in as few characters as tell it from its neighbours."""
    if isinstance(one, bool) or one is None:
        return {True: "true", False: "false", None: fmt.MISSING}[one]
    return fmt.significant(one) if isinstance(one, float) else fmt.text(one)
