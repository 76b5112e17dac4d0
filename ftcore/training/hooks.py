"""What ftcore adds to mmengine's hooks: metrics a step, checkpoints, a clean stop, resumption."""

import resource
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.hooks import Hook
from mmengine.runner import FlexibleRunner

from ftcore.runs import metrics
from ftcore.training import checkpoint
from ftcore.training.checkpoint_files import Checkpoint

BYTES_PER_GIB = 2**30

Turn = Callable[[], AbstractContextManager[Any]]
"""Entered by rank 0 around what it writes into the run; raises where a newer attempt has the run."""


class StepHook(Hook):
    """Knows which iterations end an optimiser step."""

    def __init__(self, accumulation: int) -> None:
        self.accumulation = accumulation

    def ends_step(self, batch_idx: int) -> bool:
        return (batch_idx + 1) % self.accumulation == 0


class MetricsHook(StepHook):
    """One line a step into `metrics.jsonl`: the mean over the step's iterations and all ranks.

    Runs first after an iteration, so that no other hook's time is in it. The same reduction tells every
    rank whether any of them was asked to stop, so that all stop at the same step.
    """

    priority = "VERY_HIGH"

    def __init__(
        self,
        path: Path,
        turn: Turn,
        accumulation: int,
        sequence_parallel: int,
        iterations_per_epoch: int,
        stopping: Callable[[], bool],
        progress: Callable[[int, dict[str, Any]], None],
    ) -> None:
        super().__init__(accumulation)
        self.path, self.turn, self.iterations_per_epoch = path, turn, iterations_per_epoch
        self.sequence_parallel = sequence_parallel
        self.stopping, self.progress = stopping, progress
        self._clear()

    def after_train_iter(
        self, runner: FlexibleRunner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        last = runner.train_loop.last
        self.loss = self.loss + last.loss.double()
        self.seconds += last.seconds
        self.data_seconds += last.data_seconds
        self.tokens += last.tokens
        self.labelled += last.labelled
        if self.ends_step(batch_idx):
            self._after_step(runner, batch_idx)
            self._clear()

    def _after_step(self, runner: FlexibleRunner, batch_idx: int) -> None:
        local = [float(self.loss) / self.accumulation, self.tokens, self.labelled, float(self.stopping())]
        totals = torch.tensor(local, dtype=torch.float64, device=self._device())
        slowest = torch.tensor([self.seconds, memory_gib()], dtype=torch.float64, device=self._device())
        dist.all_reduce(totals)
        dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
        loss, tokens, labelled, stop = totals.tolist()
        # Ranks that share a sequence have each counted all of it.
        tokens, labelled = tokens / self.sequence_parallel, labelled / self.sequence_parallel
        seconds, memory = slowest.tolist()
        if stop:
            runner.train_loop.stop_training = True
        if dist.get_rank() != 0:
            return
        entry = {
            "step": (batch_idx + 1) // self.accumulation,
            "epoch": round((batch_idx + 1) / self.iterations_per_epoch, 4),
            "loss": loss / dist.get_world_size(),
            "lr": runner.optim_wrapper.param_groups[0]["lr"],
            "step_seconds": round(seconds, 5),
            "data_seconds": round(self.data_seconds, 5),
            "tokens": int(tokens),
            "labelled_tokens": int(labelled),
            "tokens_per_second": round(tokens / seconds, 2),
            "memory_gib": round(memory, 3),
            "grad_norm": self._grad_norm(runner),
            "time": round(time.time(), 3),
        }
        with self.turn():
            metrics.append(self.path, entry)
        self.progress(entry["step"], entry)

    def _clear(self) -> None:
        self.loss = self.seconds = self.data_seconds = 0.0
        self.tokens = self.labelled = 0

    @staticmethod
    def _grad_norm(runner: FlexibleRunner) -> float | None:
        engine_norm = getattr(runner.model, "get_global_grad_norm", None)
        if engine_norm is not None:
            norm = engine_norm()
        else:
            history = runner.message_hub.log_scalars.get("train/grad_norm")
            norm = history.current() if history is not None else None
        return None if norm is None else float(norm)

    @staticmethod
    def _device() -> str:
        return "cuda" if dist.get_backend() == "nccl" else "cpu"


class SaveHook(StepHook):
    """Saves every `every` iterations at the end of the step they fall in (None: never), at the end, and when
    stopped.

    Not called CheckpointHook: XTuner's EvaluateChatHook takes any hook of that name for mmengine's.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        folder: Path,
        turn: Turn,
        accumulation: int,
        every: int | None,
        keep: int | None,
        kernels: Callable[[FlexibleRunner], dict[str, Any]],
    ) -> None:
        super().__init__(accumulation)
        self.folder, self.turn, self.every, self.keep, self.kernels = folder, turn, every, keep, kernels
        self.due = False

    def after_train_iter(
        self, runner: FlexibleRunner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        done = batch_idx + 1
        loop = runner.train_loop
        self.due |= self.every is not None and done % self.every == 0
        if self.ends_step(batch_idx) and (self.due or loop.stop_training or done == loop.max_iters):
            step, used = done // self.accumulation, self.kernels(runner)
            checkpoint.save(runner, self.folder, step, done, self.keep, self.turn, used)
            self.due = False


class ResumeHook(Hook):
    """Puts the runner where a checkpoint left it, before the first iteration."""

    priority = "VERY_HIGH"

    def __init__(self, resume_from: Checkpoint) -> None:
        self.resume_from = resume_from

    def before_run(self, runner: FlexibleRunner) -> None:
        checkpoint.resume(runner, self.resume_from)

    def before_train_epoch(self, runner: FlexibleRunner) -> None:
        # After the loader was opened: opening one draws from torch's generator.
        checkpoint.restore_random(self.resume_from)


def memory_gib() -> float:
    """Peak memory of this rank so far: of the device, or of the process where there is none; GiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / BYTES_PER_GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / BYTES_PER_GIB
