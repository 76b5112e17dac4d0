"""ftcore beside XTuner, TRL with Liger and Unsloth: one model, the same rows and settings, on this card.

    python -m bench.gpu [--scratch FOLDER] [--peers FOLDER] [--form full,real] [--only NAMES] [--each]
                        [--devices N] [--limit 300] [--timed 5] [--json FILE] [--tiny]

A base model of Llama-3-8B's shape with random weights is written once (16 GB below --scratch). Then one
process after the other has the card alone: 3 optimiser steps to warm up, 5 that count. Rows are `full` (4096
tokens) or `real` (Agent-FLAN's lengths, packed by each program's own packing); 60 % of each row carries no
loss. One that fails is a row that says why. --peers is where requirements.txt beside this file is installed
(`make bench-gpu` does that). Instead, --each measures ftcore with one of its kernels off at a time, and
--devices ftcore on one card and on N. --tiny is a trial of the benchmark itself with two small layers, on a
CPU too. Nothing is asserted: the numbers are for the documentation.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.common import machine
from bench.gpu import cases, child, ours, workload
from bench.gpu.cases import Case
from bench.gpu.figures import FLOPS_PER_WEIGHT_AND_TOKEN, Step, figures, peak_tflops
from bench.gpu.shape import LLAMA3_8B, TINY
from bench.gpu.table import table
from bench.gpu.workload import FORMS, Workload
from ftcore.hardware.detect import this_machine

ROOT = Path(__file__).parents[2]
WIDTH = 160
"""Columns of the table in a log file."""


def flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, default=ROOT / "runs" / ".bench-gpu")
    parser.add_argument("--peers", type=Path, default=None, help="folder of the peers' packages")
    parser.add_argument("--form", default=",".join(FORMS), help="full, real, or both")
    parser.add_argument("--only", default=None, help="names of cases, with commas between")
    parser.add_argument("--each", action="store_true", help="ftcore with one kernel off at a time")
    parser.add_argument("--devices", type=int, default=1, help="ftcore on one card and on so many")
    parser.add_argument("--limit", type=float, default=300, help="seconds that one measurement may take")
    parser.add_argument("--timed", type=int, default=5, help="optimiser steps that count")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    parser.add_argument("--tiny", action="store_true")
    return parser.parse_args()


def chosen(given: argparse.Namespace) -> list[tuple[Case, str]]:
    """Cases and forms of rows, in the order they are measured; SystemExit for a name that is none."""
    every = cases.EACH if given.each else cases.over(given.devices) if given.devices > 1 else cases.COMPARISON
    wanted = [case.name for case in every] if given.only is None else given.only.split(",")
    forms = given.form.split(",")
    for name, known in [(n, [c.name for c in every]) for n in wanted] + [(f, FORMS) for f in forms]:
        if name not in known:
            raise SystemExit(f"bench.gpu: nothing is called {name!r}; there are {', '.join(known)}")
    return [(case, form) for form in forms for case in every if case.name in wanted]


def environment(scratch: Path, packages: Path | None = None) -> dict[str, str]:
    """Of a measured process: no network, no telemetry, and its packages before everybody's."""
    inherited = os.environ.get("PYTHONPATH")
    path = [str(packages.resolve())] if packages else []
    path += [str(ROOT), *([inherited] if inherited else [])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(path),
        "HF_HUB_OFFLINE": "1",
        "WANDB_DISABLED": "true",
        "UNSLOTH_DISABLE_STATISTICS": "1",
        "UNSLOTH_COMPILE_LOCATION": str(scratch / "unsloth_compiled_cache"),
        "TOKENIZERS_PARALLELISM": "false",
    }


def prepare(work: Workload) -> None:
    """Rows, and the model in a process of its own."""
    work.scratch.mkdir(parents=True, exist_ok=True)
    work.save()
    workload.write(work)
    if not work.model.is_dir():
        command = [sys.executable, "-m", "bench.gpu.model", str(work.scratch)]
        subprocess.run(command, cwd=ROOT, env=environment(work.scratch), check=True)


def measure(
    work: Workload, case: Case, form: str, given: argparse.Namespace, peak: int | None
) -> dict[str, Any]:
    """A row: what was measured, or why nothing could be."""
    tried = given.tiny and not case.peer
    title = f"ftcore, {' '.join(cases.TRIED)} (trial)" if tried else case.title
    row = {"name": case.name, "title": title, "form": form, "batch": case.batch}
    try:
        found = _peer(work, case, form, given) if case.peer else _ours(work, case, form, given)
    except child.Failed as error:
        return row | {"failed": str(error)}
    steps = found.pop("steps")
    row |= figures(steps, work.warmup, found.pop("memory_gib"), work.shape.parameters, peak)
    return row | found


def _peer(work: Workload, case: Case, form: str, given: argparse.Namespace) -> dict[str, Any]:
    if case.own_packages and given.peers is None:
        raise child.Failed("not installed: --peers names no folder")
    module = f"bench.gpu.peers.{case.peer}"
    command = [sys.executable, "-m", module, "--scratch", str(work.scratch), "--form", form]
    env = environment(work.scratch, given.peers if case.own_packages else None)
    log = work.scratch / "logs" / f"{case.name}-{form}.txt"
    done = child.run([*command, "--batch", str(case.batch)], env, work.scratch, log, given.limit)
    found = child.last_json(done.output)
    return found | {"steps": [Step(**step) for step in found["steps"]], "wall_seconds": done.seconds}


def _ours(work: Workload, case: Case, form: str, given: argparse.Namespace) -> dict[str, Any]:
    kernels = cases.TRIED if given.tiny else case.kernels
    env: Mapping[str, str] = environment(work.scratch)
    return ours.measure(work, case, form, kernels, env, given.limit)


def main() -> None:
    given = flags()
    todo = chosen(given)
    work = Workload(given.scratch.resolve(), TINY if given.tiny else LLAMA3_8B, timed=given.timed)
    if given.tiny:
        work = replace(work, sequence=256, rank=4)
    devices = this_machine().devices("cuda")
    card = devices[0].card if devices else None
    peak = peak_tflops(card)
    about = {
        "machine": machine(), "card": card or "no card", "peak_tflops": peak,
        "flops_per_weight_and_token": FLOPS_PER_WEIGHT_AND_TOKEN, "shape": work.shape.name,
        "parameters": work.shape.parameters, "sequence": work.sequence, "rank": work.rank, "lr": work.lr,
        "accumulation": work.accumulation, "warmup": work.warmup, "timed": work.timed,
        "masked": workload.MASKED, "tried": given.tiny,
    }  # fmt: skip
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    prepare(work)
    rows: list[dict[str, Any]] = []
    for case, form in todo:
        rows.append(measure(work, case, form, given, peak))
        told = rows[-1].get("failed") or f"{rows[-1]['tokens_per_second']:,.0f} tokens/s"
        console.print(f"{case.name}, {form}: {told}", highlight=False, soft_wrap=True)
        if given.json:
            # After every row: a benchmark that is cut off keeps what it has.
            given.json.write_text(json.dumps({"about": about, "rows": rows}, indent=2), encoding="utf-8")
    console.print(table(about, rows))


if __name__ == "__main__":
    main()
