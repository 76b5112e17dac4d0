"""Experiment + prepared data -> a trained state on disk, through mmengine's runner."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.runner import FlexibleRunner
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from ftcore.config.schema import Experiment
from ftcore.config.xtuner import build
from ftcore.data.dataset import EpochSampler, PackedDataset, Sample, collate, flat
from ftcore.plan.batch import Duration, batch, duration
from ftcore.runs import metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.training import hooks, kernels, loop, model, optimizer, schedule, strategy
from ftcore.training.checkpoint_files import Checkpoint, newest
from ftcore.training.distributed import from_every, from_main
from ftcore.training.fast.sequence import sequence_group
from launchers import Rank

REPLACED_HOOKS = ("checkpoint", "sampler_seed", "timer")
"""Default hooks whose work is done by ftcore's own."""

TOKENIZER_HOOKS = ("xtuner.engine.hooks.EvaluateChatHook",)
"""Custom hooks of the XTuner configuration that stay; the others describe stock data or stock timing."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """How training talks to the worker around it."""

    stopping: Callable[[], bool]
    """Whether this rank was asked to stop."""

    progress: Callable[[int, int, dict[str, Any]], None]
    """Called by rank 0 after each step with the step, the steps in all, and the step's metrics."""

    warn: Callable[[str], None]

    begin: Callable[[int], None] = lambda step: None
    """Called by rank 0 before the first step, with the step that training goes on after."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How training ended."""

    finished: bool
    """False where it was stopped; a checkpoint was saved."""

    steps: int
    total_steps: int

    kernels: dict[str, Any] | None = None
    """The parts of a training step that were used, as `kernels` in the configuration names them."""

    peaks: tuple[float, ...] = ()
    """Each rank's peak memory, GiB."""


def train(
    e: Experiment, run: RunDirectory, data: Path, rank: Rank, logs: Path, callbacks: Callbacks
) -> Outcome:
    """Train, or go on training, on this rank; collective. Checkpoints and metrics go into `run`."""
    dataset = PackedDataset(data)
    length = duration(e, len(dataset))
    # One rank decides: on a shared file system two may see different things.
    start, warnings = from_main(lambda: newest(run.checkpoints))
    if rank.main:
        for warning in warnings:
            callbacks.warn(warning)
        with record.turn(run):
            metrics.truncate(run.metrics, start.step if start else 0)
        callbacks.begin(start.step if start else 0)
    if start is not None and start.step >= length.steps:
        return Outcome(True, start.step, length.steps, start.kernels)
    runner = _runner(e, run, dataset, length, rank, logs, callbacks, start)
    runner.train()
    # Until then, every model that transformers loads comes out sharded.
    unset_hf_deepspeed_config()
    steps = runner.train_loop.iter // batch(e).accumulation
    used = _kernels(e, runner)
    peaks = tuple(round(one, 3) for one in from_every(hooks.memory_gib()))
    return Outcome(steps >= length.steps, steps, length.steps, used, peaks)


def _kernels(e: Experiment, runner: FlexibleRunner) -> dict[str, Any]:
    return kernels.used(e, _finetune(runner).step)


def _finetune(runner: FlexibleRunner) -> model.Finetune:
    """The model inside what spreads it over ranks."""
    return getattr(runner.model, "module", runner.model)


def _runner(
    e: Experiment,
    run: RunDirectory,
    dataset: PackedDataset,
    length: Duration,
    rank: Rank,
    logs: Path,
    callbacks: Callbacks,
    start: Checkpoint | None,
) -> FlexibleRunner:
    """The runner of the experiment's XTuner configuration, with ftcore's parts in place of the stock ones."""
    stock = build(e)
    default_hooks = stock["default_hooks"] | dict.fromkeys(REPLACED_HOOKS)
    custom_hooks = [hook for hook in stock["custom_hooks"] if hook["type"] in TOKENIZER_HOOKS]
    custom_hooks += _own_hooks(e, run, length, callbacks, start)
    finetune = stock["model"] | {"type": model.Finetune}
    if kernels.may_be_used(e):
        group = sequence_group(e.parallelism.sequence_parallel)
        finetune["choose_parts"] = functools.partial(kernels.parts, e, group)
    if e.hardware.accelerator != "cpu" and e.zero_stage != 3 and e.lora.method != "qlora":
        # From the file to the device: a copy in host memory for each rank is what fills a node.
        finetune["llm"] = finetune["llm"] | {"device_map": {"": torch.cuda.current_device()}}
    return FlexibleRunner(
        model=ConfigDict(finetune),
        work_dir=str(logs / "mmengine"),
        experiment_name=f"{run.name}-{run.id}-{logs.name}",
        train_dataloader=_loader(e, dataset, rank),
        optim_wrapper=ConfigDict(optimizer.optim_wrapper(e, stock["optim_wrapper"])),
        param_scheduler=[
            {
                "type": schedule.StepSchedule,
                "optim": e.optim,
                "total": length.steps,
                "accumulation": batch(e).accumulation,
                "by_epoch": False,
            }
        ],
        train_cfg={
            "type": loop.TrainLoop,
            "max_iters": length.iterations,
            "accumulation": batch(e).accumulation,
        },
        strategy=strategy.strategy(e),
        default_hooks=default_hooks,
        custom_hooks=custom_hooks,
        launcher="none" if e.parallelism.strategy == "single" else "pytorch",
        env_cfg=stock["env_cfg"],
        log_processor=stock["log_processor"],
        log_level=e.logging.level,
        randomness=stock["randomness"],
    )


def _own_hooks(
    e: Experiment,
    run: RunDirectory,
    length: Duration,
    callbacks: Callbacks,
    start: Checkpoint | None,
) -> list[dict[str, Any]]:
    accumulation = batch(e).accumulation
    turn = functools.partial(record.turn, run)
    own: list[dict[str, Any]] = [
        {
            "type": hooks.MetricsHook,
            "path": run.metrics,
            "turn": turn,
            "accumulation": accumulation,
            "sequence_parallel": e.parallelism.sequence_parallel,
            "iterations_per_epoch": length.iterations_per_epoch,
            "stopping": callbacks.stopping,
            "progress": lambda step, entry: callbacks.progress(step, length.steps, entry),
        },
        {
            "type": hooks.SaveHook,
            "folder": run.checkpoints,
            "turn": turn,
            "accumulation": accumulation,
            "every": e.checkpoint.every,
            "keep": e.checkpoint.keep,
            "kernels": functools.partial(_kernels, e),
        },
    ]
    if start is not None:
        own.append({"type": hooks.ResumeHook, "resume_from": start})
    return own


def _loader(e: Experiment, dataset: PackedDataset, rank: Rank) -> torch.utils.data.DataLoader:
    group = rank.rank // e.parallelism.sequence_parallel
    sampler = EpochSampler(
        len(dataset), group, e.data_parallel_size, e.seed, e.data.shuffle, order=e.data.sampler
    )
    # Padding is never looked at (its labels are -100 and causal attention hides it): any id will do.
    if kernels.may_be_used(e):
        ranks = e.parallelism.sequence_parallel
        form = functools.partial(flat, rank=rank.rank % ranks, ranks=ranks)
    else:
        form = functools.partial(collate, pad_token_id=0, flatten=e.model.attention == "flash_attention_2")
    return torch.utils.data.DataLoader(
        dataset,
        batch_size=e.data.micro_batch_size,
        sampler=sampler,
        num_workers=e.data.num_workers,
        collate_fn=functools.partial(_batch, form=form),
        pin_memory=e.hardware.accelerator != "cpu",
    )


def _batch(samples: list[Sample], form: Callable[[list[Sample]], dict[str, Any]]) -> dict[str, Any]:
    """A batch for the model, and beside it the number of its tokens that are no padding."""
    return {**form(samples), "tokens": sum(len(sample["input_ids"]) for sample in samples)}
