"""Checkpoints as they lie on disk: which there are, and which of them are whole. Imports no torch.

    checkpoints/step_00000120/
        state/ or state.pth   DeepSpeed's folder, or mmengine's file
        rank<N>.pth           random number generators of each rank
        manifest.json         written last: step, iteration, and the size of every file

A folder with that name exists only once everything in it is on disk (rename); a torn one can still come
from a failing disk or a copy, so sizes are compared before one is used.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.runs.files import read_json

MANIFEST = "manifest.json"
NAME = re.compile(r"^step_(\d{8})$")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint on disk."""

    path: Path
    step: int
    iteration: int

    kernels: dict[str, Any] | None = None
    """The parts of a training step that led to it (`ftcore.training.kernels.used`); None in older ones."""


def every(folder: Path) -> list[Path]:
    """Checkpoint folders under `folder`, oldest first, whole or torn."""
    return sorted(path for path in folder.glob("step_*") if NAME.match(path.name))


def examine(path: Path) -> Checkpoint | str:
    """The checkpoint in `path`, or why it cannot be used."""
    try:
        manifest = read_json(path / MANIFEST)
    except ValueError as error:
        return f"{MANIFEST} cannot be read ({error})"
    if manifest is None:
        return f"{MANIFEST} is missing"
    for name, size in manifest["files"].items():
        file = path / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes, not {size}"
    return Checkpoint(path, manifest["step"], manifest["iteration"], manifest.get("kernels"))


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, and a warning for each newer one that was passed over."""
    warnings = []
    for path in reversed(every(folder)):
        found = examine(path)
        if isinstance(found, Checkpoint):
            return found, warnings
        warnings.append(f"checkpoint {path.name} is torn and was passed over: {found}")
    return None, warnings
