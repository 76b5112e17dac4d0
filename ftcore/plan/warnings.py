"""What a good engineer would say of an experiment before it is queued. A rule is a function; it says one
thing, or nothing, and nothing where what it needs is unknown."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ftcore.config.schema import Experiment, SlurmCluster
from ftcore.config.schema.kernels import FUSED_FAMILIES
from ftcore.plan.architecture import Architecture
from ftcore.plan.host import Disk, Host
from ftcore.plan.memory import GIB, MARGIN, Memory, memory
from ftcore.plan.parts import parts

SHORT = 0.5
"""Share of `max_length` under which rows, on average, are worth packing."""

LARGE = 0.1
"""Share of the peak from which logits are worth mentioning."""


@dataclass(frozen=True, slots=True)
class Known:
    """An experiment, and what is known of it; None is unknown."""

    e: Experiment
    a: Architecture | None = None
    memory: Memory | None = None
    host: Host | None = None
    disk: Disk | None = None
    samples: int | None = None
    """Sequences of an epoch."""

    tokens: int | None = None
    """Of an epoch."""

    steps: int | None = None
    iterations: int | None = None
    sampled: Mapping[str, Any] | None = None
    """Of rows that were looked at, as `data_of` has it."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to think again about."""

    key: str
    """The setting it is about."""

    message: str
    instead: str
    """An override to try, or words."""


Found = Iterator[Advice]


def warnings(known: Known) -> list[Advice]:
    """All that the rules find."""
    return [one for rule in RULES for one in rule(known)]


def does_not_fit(k: Known) -> Found:
    """The peak against the card."""
    card = k.e.hardware.memory_gib
    if k.memory and k.memory.fits(card) is False:
        need = k.memory.peak.total / GIB
        yield Advice(
            "hardware.memory_gib",
            f"{need:.1f} GiB needed at the peak, of {card:g} GiB less {MARGIN:.0%}",
            "a smaller max_length or data.micro_batch_size, kernels=fast, or parallelism=zero3",
        )


def offload_saves_nothing(k: Known) -> Found:
    """Offload where all would fit without."""
    if k.a is None or not _offloads(k.e):
        return
    here = memory(_without_offload(k.e), k.a)
    if here.fits(k.e.hardware.memory_gib):
        need = here.peak.total / GIB
        yield Advice(
            "parallelism",
            f"offload moves state over PCIe at every step; without it {need:.1f} GiB of "
            f"{k.e.hardware.memory_gib:g} would be needed",
            f"parallelism=zero{k.e.zero_stage}",
        )


def sharding_saves_nothing(k: Known) -> Found:
    """ZeRO-3 where ZeRO-2 fits: every layer is gathered twice or three times a step for nothing."""
    if k.a is None or k.e.zero_stage != 3:
        return
    here = memory(_stage(_without_offload(k.e), 2), k.a)
    if here.fits(k.e.hardware.memory_gib):
        need = here.peak.total / GIB
        yield Advice(
            "parallelism",
            "ZeRO-3 gathers every layer from all ranks, forward and backward; under ZeRO-2 "
            f"{need:.1f} GiB of {k.e.hardware.memory_gib:g} would be needed",
            "parallelism=zero2",
        )


def recomputes_for_nothing(k: Known) -> Found:
    """Activation checkpointing where all activations would fit."""
    if k.a is None or k.memory is None or k.memory.recomputed < k.a.layers:
        return
    kernels = k.e.kernels.model_copy(update={"recompute_layers": None})
    model = k.e.model.model_copy(update={"activation_checkpointing": False})
    here = memory(k.e.model_copy(update={"model": model, "kernels": kernels}), k.a)
    if here.fits(k.e.hardware.memory_gib):
        need = here.peak.total / GIB
        yield Advice(
            "model.activation_checkpointing",
            f"every layer is computed twice; with all activations kept {need:.1f} GiB of "
            f"{k.e.hardware.memory_gib:g} would be needed",
            "model.activation_checkpointing=false",
        )


def short_rows(k: Known) -> Found:
    """No packing, and rows far under max_length."""
    if k.e.data.packing or not k.samples or not k.tokens:
        return
    mean = k.tokens / k.samples
    if mean < SHORT * k.e.max_length:
        yield Advice(
            "data.packing",
            f"rows have {mean:.0f} tokens on average, of {k.e.max_length} that a sequence may have",
            "data.packing=true",
        )


def rows_unreadable(k: Known) -> Found:
    """Rows that would end the run while it prepares its data."""
    found = k.sampled or {}
    if k.e.data.on_bad_row == "error" and found.get("unreadable"):
        yield Advice(
            "data.on_bad_row",
            f"{found['unreadable']} of the {found['looked_at']} rows that were looked at cannot be read, and "
            f"one ends the run: {found['first_unreadable']}",
            "data.on_bad_row=skip, or those rows mended",
        )


def full_logits(k: Known) -> Found:
    """The stock loss, where it is a large part of the peak."""
    if k.memory is None or k.e.kernels.loss == "fused":
        return
    peak = k.memory.peak
    if k.memory.phase == "loss" and peak.logits > LARGE * peak.total and _holds_all(k):
        yield Advice(
            "kernels.loss",
            f"logits of every position and their gradients take {peak.logits / GIB:.1f} GiB of the peak's "
            f"{peak.total / GIB:.1f}",
            "kernels.loss=fused",
        )


def warmup_under_a_step(k: Known) -> Found:
    """ftcore warms up for a step at least; the share that was asked for is none."""
    share = k.e.optim.warmup_ratio
    if k.steps and 0 < share * k.steps < 1:
        yield Advice(
            "optim.warmup_ratio",
            f"{share:g} of {k.steps} steps is less than one; one step is taken",
            f"optim.warmup_ratio={1 / k.steps:.2g} or more, or 0",
        )


def nothing_to_resume_from(k: Known) -> Found:
    """No checkpoint before the end of training."""
    every = k.e.checkpoint.every
    if every is not None and (k.iterations is None or every < k.iterations):
        return
    if not isinstance(k.e.cluster, SlurmCluster):
        return  # seconds are lost, or whoever sits here decides
    when = "there is no checkpoint" if every is None else f"the first checkpoint comes at iteration {every}"
    yield Advice(
        "checkpoint.every", f"{when} before the end: a job that is stopped hard begins anew",
        f"checkpoint.every={max(1, (k.iterations or 1000) // 10)}",
    )  # fmt: skip


def chat_samples_left_out(k: Known) -> Found:
    """Under ZeRO-3 each generated token would gather the model."""
    if k.e.chat_samples.every and k.e.zero_stage == 3:
        message = "is left out under ZeRO-3, where each generated token gathers the model from all ranks"
        yield Advice("chat_samples.every", message, "chat_samples=none, or parallelism=zero2")


def more_ranks_than_samples(k: Known) -> Found:
    """Ranks that see copies of the others' samples."""
    ranks = k.e.data_parallel_size
    if k.samples is not None and k.samples < ranks:
        message = f"{ranks} ranks share {k.samples} samples: some train on what others do"
        yield Advice("nodes", message, "fewer nodes or hardware.devices_per_node, or data.packing=false")


def fp16_without_scaling(k: Known) -> Found:
    """Gradients under 6e-8 are nothing in fp16."""
    scale = k.e.precision.loss_scale
    if k.e.precision.dtype == "fp16" and scale != "dynamic" and scale <= 1:
        message = f"is {scale:g}: small gradients are lost in fp16"
        yield Advice("precision.loss_scale", message, "precision.loss_scale=dynamic")


def evaluation_longer_than_training(k: Known) -> Found:
    """Counted in passes through the model: a generated token of a batch is one, twice (base and tuned); an
    iteration of training is three, its backward pass as much as two."""
    given = k.e.evaluation
    if not given.asks or k.iterations is None or given.cases == 0:
        return
    batches = -(-(given.cases + given.refusal_cases) // given.batch_size)
    generated, trained = 2 * batches * given.max_new_tokens, 3 * k.iterations
    if generated > 2 * trained:
        yield Advice(
            "evaluation",
            f"takes up to {generated:,} passes through the model, and training about {trained:,}",
            "a smaller evaluation.cases or evaluation.max_new_tokens, or evaluation=none",
        )


def host_memory_short(k: Known) -> Found:
    """What Slurm is asked for, against what loading takes."""
    cluster = k.e.cluster
    if k.host is None or not isinstance(cluster, SlurmCluster):
        return
    limit = slurm_bytes(cluster.mem)
    if limit is not None and k.host.total > limit:
        message = f"{k.host.total / GIB:.0f} GiB needed on a node, and cluster.mem is {cluster.mem}"
        yield Advice("cluster.mem", message, f"cluster.mem={-(-k.host.total // GIB)}G")


def disk_short(k: Known) -> Found:
    """Checkpoints and exported weights, against what is free."""
    if k.disk and k.disk.needed is not None and k.disk.needed > k.disk.free:
        yield Advice(
            "runs_dir",
            f"{k.disk.needed / GIB:.1f} GiB needed for {k.disk.checkpoints} checkpoint(s) and what is "
            f"exported, {k.disk.free / GIB:.1f} free",
            "a smaller checkpoint.keep, export.merge=false, or another runs_dir",
        )


def slurm_bytes(text: str | None) -> int | None:
    """Slurm's memory: megabytes where no unit is named; `0`, all of the node's, is unknown."""
    match = re.fullmatch(r"(\d+)([KMGT]?)", text or "0")
    if match is None or int(match[1]) == 0:
        return None
    return int(match[1]) * {"K": 2**10, "": 2**20, "M": 2**20, "G": 2**30, "T": 2**40}[match[2]]


def _holds_all(k: Known) -> bool:
    """Whether logits of every position are held, and need not be."""
    return k.a is not None and k.a.family in FUSED_FAMILIES and not parts(k.e, k.a).loss


def _offloads(e: Experiment) -> bool:
    block = e.parallelism.deepspeed
    zero = block.zero_optimization if block else None
    return zero is not None and bool(zero.offload_optimizer or zero.offload_param)


def _without_offload(e: Experiment) -> Experiment:
    return _zero(e, offload_optimizer=None, offload_param=None)


def _stage(e: Experiment, stage: int) -> Experiment:
    return _zero(e, stage=stage)


def _zero(e: Experiment, **values: object) -> Experiment:
    block = e.parallelism.deepspeed
    assert block is not None
    zero = block.zero_optimization.model_copy(update=values)
    changed = block.model_copy(update={"zero_optimization": zero})
    return e.model_copy(update={"parallelism": e.parallelism.model_copy(update={"deepspeed": changed})})


RULES: tuple[Callable[[Known], Found], ...] = (
    does_not_fit, offload_saves_nothing, sharding_saves_nothing, recomputes_for_nothing, short_rows,
    rows_unreadable, full_logits, warmup_under_a_step, nothing_to_resume_from, chat_samples_left_out,
    more_ranks_than_samples, fp16_without_scaling, evaluation_longer_than_training, host_memory_short,
    disk_short,
)  # fmt: skip
