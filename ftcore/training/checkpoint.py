"""Saving and restoring all that training goes on from: model, optimiser, schedule, scaler, RNG, position.

`ftcore.training.checkpoint_files` says what lies where.
"""

import random
import secrets
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from mmengine.runner import FlexibleRunner

from ftcore.config.errors import WorkError
from ftcore.runs.disk import full
from ftcore.runs.files import sync_path, sync_tree, write_json
from ftcore.training.checkpoint_files import MANIFEST, Checkpoint, every, examine
from ftcore.training.distributed import from_main


def save(
    runner: FlexibleRunner,
    folder: Path,
    step: int,
    iteration: int,
    keep: int | None,
    turn: Callable[[], AbstractContextManager[Any]],
    kernels: dict[str, Any],
) -> None:
    """Save the state after optimiser step `step`; collective, every rank calls it.

    Older checkpoints are dropped down to `keep` only after the new one is whole on disk. Where it cannot be
    written nothing is left of it, and a full disk is told as such (WorkError). `turn` guards what rank 0
    does to `folder`.
    """
    target = folder / f"step_{step:08d}"
    # Named by this group of ranks: ranks of an older attempt may still be writing theirs.
    temporary = folder / f".{target.name}-{from_main(lambda: secrets.token_hex(4))}.tmp"
    try:
        _write(runner, temporary, step, iteration, turn, kernels)
        if dist.get_rank() == 0:
            with turn():
                shutil.rmtree(target, ignore_errors=True)
                temporary.rename(target)
                sync_path(folder)
                if keep is not None:
                    _prune(folder, keep)
    except Exception as error:
        problem = full(folder)
        # On a full disk the room it takes is what the record of this failure needs.
        shutil.rmtree(temporary, ignore_errors=True)
        if problem:
            raise WorkError(f"{problem}: step {step} is not saved, in {folder}") from error
        raise
    dist.barrier()


def _write(
    runner: FlexibleRunner,
    temporary: Path,
    step: int,
    iteration: int,
    turn: Callable[[], AbstractContextManager[Any]],
    kernels: dict[str, Any],
) -> None:
    """All files of a checkpoint into `temporary`, the manifest last; collective."""
    rank = dist.get_rank()
    if rank == 0:
        with turn():
            for unfinished in temporary.parent.glob(".step_*.tmp"):  # of an attempt killed while it saved
                shutil.rmtree(unfinished)
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
        sync_tree(temporary)
        told = {"step": step, "iteration": iteration, "kernels": kernels, "files": files}
        write_json(temporary / MANIFEST, told)


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


def _prune(folder: Path, keep: int) -> None:
    whole = [path for path in every(folder) if isinstance(examine(path), Checkpoint)]
    for path in whole[:-keep]:
        shutil.rmtree(path, ignore_errors=True)
