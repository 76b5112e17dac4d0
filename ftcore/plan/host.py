"""Host memory of a node, and room on disk."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.parts import SIZE, parts
from ftcore.plan.states import trained_parameters, zero_of

PROCESS = 3 * 2**30
"""A rank's Python with torch, CUDA's libraries and transformers. Assumed, not measured apart."""

ADAM = 16
"""Bytes a parameter of what DeepSpeed's CPU optimiser holds: fp32 master, two moments, gradient."""


@dataclass(frozen=True, slots=True)
class Host:
    """Bytes on one node."""

    processes: int
    """Of every rank, without a model."""

    weights: int
    """While they are loaded: ranks with a card of their own read from the file to the device. A CPU rank
    holds all of them, and so does one that quantises; of ZeRO-3 rank 0 does, on this node, and deals them
    out."""

    offload: int
    """What DeepSpeed keeps here in training."""

    @property
    def total(self) -> int:
        return self.processes + max(self.weights, self.offload)


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes in `runs_dir`."""

    checkpoint: int
    """One: what is trained, fp32 masters where they are apart, and two moments."""

    checkpoints: int | None
    """How many there are at once, one that is being written among them; None where the steps are unknown and
    all are kept."""

    exported: int
    """The adapter, and `merged/` where it is asked for."""

    free: int

    @property
    def needed(self) -> int | None:
        return None if self.checkpoints is None else self.checkpoint * self.checkpoints + self.exported


def host(e: Experiment, a: Architecture) -> Host:
    """The node that takes most."""
    ranks, p, zero = e.hardware.devices_per_node, parts(e, a), zero_of(e)
    whole = p.weights * a.parameters
    n = trained_parameters(e, a)
    if e.zero_stage == 3:
        weights = whole
    elif e.hardware.accelerator == "cpu" or e.lora.method == "qlora":
        weights = whole * ranks
    else:
        weights = 0
    offload = 0
    if zero and zero.offload_optimizer:
        offload += ADAM * n * ranks // e.world_size
    if zero and zero.offload_param:
        offload += p.compute * a.parameters * ranks // e.world_size
    return Host(PROCESS * ranks, weights, offload)


def disk(e: Experiment, a: Architecture, iterations: int | None) -> Disk:
    """Of a run of so many iterations."""
    n = trained_parameters(e, a)
    masters = 4 if e.parallelism.strategy == "deepspeed" else 0
    merged = e.export.dtype if e.export.dtype != "auto" else "bf16"
    exported = 0 if e.lora.method == "full" else 4 * n
    if e.export.merge or e.lora.method == "full":
        exported += SIZE[merged] * a.parameters
    return Disk(
        checkpoint=(parts(e, a).trained + masters + 8) * n,
        checkpoints=checkpoints(e, iterations),
        exported=exported,
        free=free(Path(e.runs_dir)),
    )


def checkpoints(e: Experiment, iterations: int | None) -> int | None:
    """At once: `keep`, or as many as are saved, and the one that is written before the oldest goes."""
    every, keep = e.checkpoint.every, e.checkpoint.keep
    if every is None:
        return 1
    if iterations is None:
        return None if keep is None else keep + 1
    saved = -(-iterations // every)
    return saved if keep is None or saved <= keep else keep + 1


def free(place: Path) -> int:
    """Bytes free where `place` will be."""
    place = place.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
