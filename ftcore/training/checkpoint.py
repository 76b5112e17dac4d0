"""Checkpoints that training resumes from exactly: model, optimiser, schedule, scaler, RNG, position.

    checkpoints/step_00000120/
        state/ or state.pth   DeepSpeed's folder, or mmengine's file
        rank<N>.pth           random number generators of each rank
        manifest.json         written last: step, iteration, and the size of every file

A folder with that name exists only once everything in it is on disk (rename); a torn one can still come
from a failing disk or a copy, so sizes are compared before one is used.
"""

import random
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from mmengine.runner import FlexibleRunner

from ftcore.runs.files import read_json, sync_folder, write_json

MANIFEST = "manifest.json"
NAME = re.compile(r"^step_(\d{8})$")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint on disk."""

    path: Path
    step: int
    iteration: int


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
    return Checkpoint(path, manifest["step"], manifest["iteration"])


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, and a warning for each newer one that was passed over."""
    warnings = []
    for path in reversed(every(folder)):
        found = examine(path)
        if isinstance(found, Checkpoint):
            return found, warnings
        warnings.append(f"checkpoint {path.name} is torn and was passed over: {found}")
    return None, warnings


def save(runner: FlexibleRunner, folder: Path, step: int, iteration: int, keep: int) -> None:
    """Save the state after optimiser step `step`; collective, every rank calls it.

    Older checkpoints are dropped down to `keep` only after the new one is whole on disk.
    """
    rank = dist.get_rank()
    target = folder / f"step_{step:08d}"
    temporary = folder / f".{target.name}.tmp"
    if rank == 0:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    dist.barrier()
    runner.strategy.save_checkpoint(
        filename=str(temporary / _state_name(runner)),
        save_optimizer=True,
        save_param_scheduler=True,
        extra_ckpt={"meta": {"iter": iteration, "step": step}},
    )
    torch.save(_random_state(), temporary / f"rank{rank}.pth")
    dist.barrier()
    if rank == 0:
        files = {str(p.relative_to(temporary)): p.stat().st_size for p in temporary.rglob("*") if p.is_file()}
        _sync(temporary, files)
        write_json(temporary / MANIFEST, {"step": step, "iteration": iteration, "files": files})
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        sync_folder(folder)
        _prune(folder, keep)
    dist.barrier()


def resume(runner: FlexibleRunner, checkpoint: Checkpoint) -> None:
    """Put `runner` where `checkpoint` left it, but for the random state (`restore_random`)."""
    runner.strategy.resume(
        str(checkpoint.path / _state_name(runner)),
        resume_optimizer=True,
        resume_param_scheduler=True,
        map_location="cpu",
    )
    runner.train_loop._iter = checkpoint.iteration


def restore_random(checkpoint: Checkpoint) -> None:
    """This rank's random state as it was; to be called last, right before the first iteration."""
    file = checkpoint.path / f"rank{dist.get_rank()}.pth"
    if not file.exists():
        return  # resumed on more ranks than it was saved on
    state = torch.load(file, map_location="cpu", weights_only=False)
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])


def _random_state() -> dict[str, Any]:
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def _state_name(runner: FlexibleRunner) -> str:
    return "state" if type(runner.strategy).__name__ == "DeepSpeedStrategy" else "state.pth"


def _sync(folder: Path, files: dict[str, int]) -> None:
    import os

    for name in files:
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())


def _prune(folder: Path, keep: int) -> None:
    whole = [path for path in every(folder) if isinstance(examine(path), Checkpoint)]
    for path in whole[:-keep]:
        shutil.rmtree(path, ignore_errors=True)
