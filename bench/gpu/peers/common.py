"""What the measured programs beside ftcore share: their arguments, and the line they end with."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from bench.gpu.figures import BYTES_PER_GIB, Step
from bench.gpu.workload import FORMS, Workload, load


@dataclass(frozen=True, slots=True)
class Asked:
    """What one process measures."""

    workload: Workload
    form: str
    batch: int


def asked(what: str) -> Asked:
    """From the command line: `--scratch FOLDER --form full --batch 2`."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--scratch", type=Path, required=True, help="folder with workload.json")
    parser.add_argument("--form", choices=FORMS, default=FORMS[0])
    parser.add_argument("--batch", type=int, default=1)
    flags = parser.parse_args()
    return Asked(load(flags.scratch), flags.form, flags.batch)


def now() -> float:
    """Seconds on a clock, once the card has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def answer(steps: Sequence[Step], packages: Sequence[str]) -> None:
    """The line that the benchmark reads; peak memory is the whole process's, loading the model included."""
    memory = torch.cuda.max_memory_allocated() / BYTES_PER_GIB if torch.cuda.is_available() else 0.0
    found = {name: version(name) for name in ("torch", "transformers", *packages)}
    result = {"steps": [asdict(step) for step in steps], "memory_gib": memory, "versions": found}
    print(json.dumps(result), flush=True)
