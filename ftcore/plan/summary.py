"""What `plan` says of an experiment, as plain data."""

from typing import Any

from ftcore.config.compose import Composed
from ftcore.config.errors import Problem
from ftcore.config.identity import config_hash
from ftcore.config.schema import Experiment
from ftcore.plan.batch import batch
from ftcore.plan.cost import cost
from ftcore.plan.data import data_of, length_of
from ftcore.plan.decisions import decisions
from ftcore.plan.needs import needs
from ftcore.plan.preflight import preflight


def summarise(composed: Composed) -> dict[str, Any]:
    """World, kernels, batch, data, steps, memory, disk, warnings, what is missing here, and what differs from
    stock XTuner."""
    e = composed.experiment
    data = data_of(e)
    length = length_of(e, data)
    found = needs(e, data, length)
    hours = (found.get("time") or {}).get("accelerator_hours")
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
            "zero_group": e.world_size if e.zero_stage else 1,
        },
        "kernels": e.kernels.model_dump(),
        "batch": _batch(e),
        "data": data,
        "length": length,
        "checkpoints": {"every": e.checkpoint.every, "keep": e.checkpoint.keep, "saved": saved(e, length)},
        **found,
        "cost": cost(e, hours),
        "missing_here": [vars_of(problem) for problem in preflight(e)],
        "differences": [
            {"setting": d.setting, "stock": d.stock, "ftcore": d.ftcore, "reason": d.reason}
            for d in decisions(e)
        ],
    }


def saved(e: Experiment, length: dict[str, Any]) -> int | None:
    """Checkpoints that are saved in all, the one at the end among them; None where the steps are unknown."""
    every, iterations = e.checkpoint.every, length["iterations"]
    if every is None:
        return 1
    return None if iterations is None else -(-iterations // every)


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
