"""ftcore, measured through its command line: the figures are those of the run's own `metrics.jsonl`."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.gpu import child
from bench.gpu.cases import Case
from bench.gpu.figures import Step
from bench.gpu.workload import Workload


def words(workload: Workload, form: str, case: Case, runs: Path) -> list[str]:
    """What is asked of ftcore, its kernels aside."""
    return [
        "model=custom", f"model.path={workload.model}", "model.name=random", "model.template=llama3_chat",
        "model.activation_checkpointing=false",
        "data=tokens", f"data.path={workload.rows(form)}", f"data.packing={str(form == 'real').lower()}",
        "data.shuffle=false", f"data.micro_batch_size={case.batch}",
        f"max_length={workload.sequence}", f"max_steps={workload.steps}", "seed=0",
        f"parallelism={case.parallelism}", f"hardware.devices_per_node={case.devices}",
        f"rank={workload.rank}", f"lora.alpha={workload.alpha}", "lora.dropout=0.0",
        f"lora.targets=[{','.join(workload.targets)}]",
        f"lr={workload.lr}", f"optim.max_grad_norm={workload.max_grad_norm}",
        f"optim.gradient_accumulation={workload.accumulation}", "optim.schedule=constant",
        "optim.warmup_ratio=0.0",
        "evaluation=none", "export.merge=false", "checkpoint.every=null", "name=bench",
        f"runs_dir={runs}", f"cache_dir={workload.scratch / 'cache'}",
    ]  # fmt: skip


def measure(
    workload: Workload,
    case: Case,
    form: str,
    kernels: Sequence[str],
    env: Mapping[str, str],
    limit_seconds: float,
) -> dict[str, Any]:
    """`steps`, `memory_gib` and what is told beside them; child.Failed where the run failed."""
    runs = workload.scratch / "runs" / f"{case.name}-{form}"
    # The same experiment asked for twice would be answered by the first run.
    shutil.rmtree(runs, ignore_errors=True)
    command = [sys.executable, "-m", "ftcore", *words(workload, form, case, runs), *kernels]
    log = workload.scratch / "logs" / f"{case.name}-{form}.txt"
    try:
        answer = child.run(command, env, workload.scratch, log, limit_seconds)
        metrics = next(runs.glob("bench/*/metrics.jsonl"), None)
        if metrics is None:
            raise child.Failed("it left no metrics.jsonl")
        lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
        record = json.loads(next(runs.glob("bench/*/record.json")).read_text(encoding="utf-8"))
    finally:
        _keep_small(runs)
    return {
        "steps": steps(lines),
        "memory_gib": max(line["memory_gib"] for line in lines),
        "wall_seconds": answer.seconds,
        "kernels": record.get("kernels") or record["config"].get("kernels"),
        "own_step_seconds": [line["step_seconds"] for line in lines],
    }


def steps(lines: list[dict[str, Any]]) -> list[Step]:
    """Steps by the clock on the wall, as for everybody else: `step_seconds` leaves out what hooks take."""
    ends = [line["time"] for line in lines]
    seconds = [lines[0]["step_seconds"], *(after - before for before, after in pairwise(ends))]
    return [
        Step(taken, line["tokens"], line["loss"], line["grad_norm"])
        for taken, line in zip(seconds, lines, strict=True)
    ]


def _keep_small(runs: Path) -> None:
    """Take the weights away and leave what explains the figures: a checkpoint of an 8B run's adapter and its
    optimiser is 2 GB."""
    for folder in ("checkpoints", "adapter"):
        for found in runs.glob(f"bench/*/{folder}"):
            shutil.rmtree(found, ignore_errors=True)
