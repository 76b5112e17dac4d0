"""What `plan` says of an experiment, as plain data."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ftcore.config.compose import Composed
from ftcore.config.errors import Problem
from ftcore.config.identity import config_hash
from ftcore.config.schema import Experiment
from ftcore.plan.batch import batch, duration
from ftcore.plan.decisions import decisions
from ftcore.plan.needs import needs
from ftcore.plan.preflight import preflight


def summarise(composed: Composed) -> dict[str, Any]:
    """World, kernels, batch, data, steps, memory, disk, warnings, what is missing here, and what differs from
    stock XTuner."""
    e = composed.experiment
    data = prepared_data(e)
    length = _length(e, data["samples"])
    return {
        "name": e.name,
        "config_hash": config_hash(e),
        "choices": composed.choices,
        "model": {"name": e.model.name, "path": e.model.path},
        "training": {"method": e.lora.method, "rank": None if e.lora.method == "full" else e.lora.rank},
        "world": {
            "world_size": e.world_size,
            "nodes": e.nodes,
            "devices_per_node": e.hardware.devices_per_node,
            "card": e.hardware.card,
            "accelerator": e.hardware.accelerator,
            "dtype": e.precision.dtype,
            "strategy": e.parallelism.strategy,
            "zero_stage": e.zero_stage,
            "data_parallel": e.data_parallel_size,
            "sequence_parallel": e.parallelism.sequence_parallel,
        },
        "kernels": e.kernels.model_dump(),
        "batch": _batch(e),
        "data": data,
        "length": length,
        **needs(e, data, length),
        "missing_here": [vars_of(problem) for problem in preflight(e)],
        "differences": [
            {"setting": d.setting, "stock": d.stock, "ftcore": d.ftcore, "reason": d.reason}
            for d in decisions(e)
        ],
    }


def prepared_data(e: Experiment) -> dict[str, Any]:
    """Rows, tokens and samples from the cache where the data was prepared, else the source's size alone."""
    from ftcore.data.errors import DataError
    from ftcore.data.prepare import cache_key, find_prepared

    known: dict[str, Any] = {"source": e.data.origin(), "max_length": e.max_length}
    unknown = dict.fromkeys(("rows", "tokens", "samples", "fill_share", "truncated"))
    found = None
    # A hub's dataset would be fetched to know its contents; a plan fetches nothing.
    if not any(source.hub for source in e.data.sources().values()):
        with suppress(DataError, OSError):
            found = find_prepared(e.cache_dir, cache_key(e))
    if found is None:
        return known | unknown | {"prepared": False, "bytes": source_bytes(e)}
    manifest = found.manifest
    return known | {
        "prepared": True,
        "rows": manifest["rows"]["kept"],
        "truncated": manifest["rows"]["truncated"],
        "tokens": manifest["tokens"],
        "samples": manifest["samples"],
        "fill_share": manifest["fill_share"],
    }


def source_bytes(e: Experiment) -> int | None:
    """Size of the source's files, where they can be seen from here."""
    sizes = [_bytes(source.path) for source in e.data.sources().values()]
    seen = [size for size in sizes if size is not None]
    return sum(seen) if len(seen) == len(sizes) else None


def _bytes(place: str | None) -> int | None:
    path = Path(place).expanduser() if place else None
    if path is None or not path.exists():
        return None
    if path.is_file():
        return path.stat().st_size
    return sum((Path(root) / name).stat().st_size for root, _, names in os.walk(path) for name in names)


def vars_of(problem: Problem) -> dict[str, str]:
    """A problem as plain data."""
    return {"key": problem.key, "message": problem.message, "allowed": problem.allowed}


def _batch(e: Experiment) -> dict[str, int]:
    b = batch(e)
    return {
        "micro_batch_size": b.micro_batch,
        "gradient_accumulation": b.accumulation,
        "samples_per_step": b.samples_per_step,
        "tokens_per_step_at_most": b.samples_per_step * e.max_length,
    }


def _length(e: Experiment, samples: int | None) -> dict[str, Any]:
    if samples is None:
        steps = e.max_steps
        return {"epochs": e.epochs, "steps": steps, "iterations": steps and steps * batch(e).accumulation}
    d = duration(e, samples)
    epochs = round(d.iterations / d.iterations_per_epoch, 3)
    return {"epochs": epochs, "steps": d.steps, "iterations": d.iterations}
