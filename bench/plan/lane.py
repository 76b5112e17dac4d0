"""Measures configurations one after the other on the cards it sees, each in a process forked off this one,
which has imported what they need: 10 s once for all of them.

    python -m bench.plan.lane SCRATCH FILE NAMES SECONDS

A row a configuration is added to FILE; none is begun after SECONDS. A run is the real one (`ftcore.worker`),
ended once its steps are done.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.plan.asked import STEPS, composed, predicted
from bench.plan.configurations import EVERY, PLAIN, Configuration
from ftcore import compat
from ftcore.jobs import job_spec
from ftcore.runs import attempt_files, metrics, record
from ftcore.runs.create import Request, create
from launchers import JobSpec

LIMIT_SECONDS = 90
ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"


def main() -> None:
    scratch, file, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(",")
    until = time.monotonic() + float(sys.argv[4])
    wanted = [one for one in EVERY if one.name in names]
    preload(wanted[0].group)
    for one in wanted:
        if time.monotonic() > until:
            return
        row = measured(one, scratch)
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")


def preload(group: str) -> None:
    """Import what every worker of the group does, without waking the card: a fork cannot use its context."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    # Torch reads it once; a worker of its own would find it in its experiment.
    os.environ.setdefault(ALLOCATOR, "expandable_segments:True")
    if group != PLAIN:
        return  # bitsandbytes and deepspeed wake it
    compat.apply()
    compat.leave_out("bitsandbytes", "deepspeed")
    import torch
    import transformers.models.llama.modeling_llama
    import transformers.models.qwen2.modeling_qwen2
    import transformers.models.qwen3_moe.modeling_qwen3_moe  # noqa: F401

    import ftcore.data.prepare
    import ftcore.training.engine  # noqa: F401

    assert not torch.cuda.is_initialized()


def measured(one: Configuration, scratch: Path) -> dict[str, Any]:
    """A row: what was predicted, and what was seen or why nothing was."""
    asked = composed(one, scratch)
    row = {"name": one.name, "held_out": one.held_out, "devices": one.devices} | predicted(
        asked.experiment, one.shape
    )
    began = time.monotonic()
    run = create(asked, Request("python -m bench.plan", os.getcwd()))
    number = record.begin_attempt(run)
    spec = job_spec(asked.experiment, run, number, Path.cwd())
    spec.log_dir.mkdir(parents=True, exist_ok=True)
    ranks = [_forked(spec, rank) for rank in range(one.devices)]
    left = {}
    lines: list[dict[str, Any]] = []
    while len(left) < len(ranks) and len(lines) < STEPS and time.monotonic() - began < LIMIT_SECONDS:
        time.sleep(0.1)
        lines = metrics.read(run.metrics)
        for pid in ranks:
            if pid not in left and (ended := os.waitpid(pid, os.WNOHANG))[0]:
                left[pid] = ended[1]
        if any(left.values()):
            time.sleep(1)  # the others' own words about it
            break
    for pid in ranks:
        if pid not in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    row["wall_seconds"] = round(time.monotonic() - began, 1)
    if len(lines) < STEPS:
        return row | {"failed": _why(run.attempt(number), lines)}
    time_taken = {
        "step_seconds": min(line["step_seconds"] for line in lines[2:]),
        "tokens": lines[-1]["tokens"],
    }
    return row | {"measured_gib": max(line["memory_gib"] for line in lines)} | time_taken


def _forked(spec: JobSpec, rank: int) -> int:
    """Process id of a rank, as launchers.local starts one."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.environ.update(
            SUBMITIT_EXECUTOR="local", SUBMITIT_LOCAL_NTASKS=str(spec.tasks_per_node),
            SUBMITIT_LOCAL_NODEID="0", SUBMITIT_LOCAL_JOB_NUM_NODES="1", SUBMITIT_LOCAL_JOB_ID="1",
            SUBMITIT_LOCAL_GLOBALID=str(rank), SUBMITIT_LOCAL_LOCALID=str(rank),
        )  # fmt: skip
        log = os.open(spec.log_dir / f"rank{rank}.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        spec.function()
        code = 0
    finally:
        os._exit(code)


def _why(attempt: Path, lines: list[Any]) -> str:
    for file in sorted(attempt.glob(attempt_files.FAILURES)):
        said = json.loads(file.read_text(encoding="utf-8"))
        if "OutOfMemory" in said["type"] or "out of memory" in said["message"]:
            return "out of memory"
        return f"{said['type']}: {said['message']}"[:300]
    return f"ended or was not done after {len(lines)} steps"


if __name__ == "__main__":
    main()
