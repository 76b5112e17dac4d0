"""The work that everybody is measured on: the same rows in the same order, and the same settings."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.gpu.shape import Shape

LARGEST_BATCH = 2
"""Sequences of the largest forward pass that is measured; rows are made for it."""

MASKED = 0.6
"""Share of each row, from its beginning, whose labels are masked: about what prompts take of agents' data."""

MEAN_LOG, SIGMA, SHORTEST = np.log(1250), 0.62, 64
"""Lengths of Agent-FLAN's rows under Llama-3's tokenizer, as a lognormal fit: median, spread and floor."""

FORMS = ("full", "real")
"""`full`: every row as long as a sequence. `real`: rows of Agent-FLAN's lengths, packed by each program."""

NO_LOSS = -100


@dataclass(frozen=True, slots=True)
class Workload:
    """Where model and rows lie, and the settings of the training."""

    scratch: Path

    shape: Shape

    sequence: int = 4096
    """Tokens of a sequence."""

    warmup: int = 3
    """Optimiser steps before the clock counts."""

    timed: int = 5
    """Optimiser steps that count."""

    accumulation: int = 4
    rank: int = 64
    alpha: int = 16
    lr: float = 1e-5
    max_grad_norm: float = 1.0
    targets: tuple[str, ...] = (
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    )  # fmt: skip

    @property
    def model(self) -> Path:
        """Folder of weights and tokenizer."""
        return self.scratch / f"model-{self.shape.name}"

    @property
    def steps(self) -> int:
        return self.warmup + self.timed

    @property
    def sequences(self) -> int:
        """Full sequences that the largest batch takes from first to last step."""
        return LARGEST_BATCH * self.accumulation * self.steps

    def rows(self, form: str) -> Path:
        """File of rows {"input_ids", "labels"}, JSONL."""
        return self.scratch / f"{form}-{self.shape.name}-{self.sequence}-{self.sequences}.jsonl"

    def save(self) -> None:
        """For `load` in the processes that are measured."""
        text = json.dumps(asdict(self) | {"scratch": str(self.scratch)}, indent=2)
        (self.scratch / "workload.json").write_text(text, encoding="utf-8")


def load(scratch: Path) -> Workload:
    """The workload that `save` left in `scratch`."""
    given = json.loads((scratch / "workload.json").read_text(encoding="utf-8"))
    shape = Shape(**given.pop("shape"))
    return Workload(**given | {"scratch": scratch, "shape": shape, "targets": tuple(given["targets"])})


def read(file: Path) -> list[dict[str, list[int]]]:
    """The rows of a file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write(workload: Workload) -> None:
    """Both forms' files, where they are not there yet."""
    for form in FORMS:
        file = workload.rows(form)
        if not file.exists():
            half_written = file.with_suffix(".part")
            with half_written.open("w", encoding="utf-8") as lines:
                lines.writelines(json.dumps(row) + "\n" for row in made(workload, form))
            half_written.replace(file)


def made(workload: Workload, form: str) -> Iterator[dict[str, list[int]]]:
    """Rows of random tokens; the same ones every time."""
    draw = np.random.default_rng(0)
    for length in lengths(workload, form, draw):
        tokens = draw.integers(0, workload.shape.ordinary_tokens, length).tolist()
        masked = int(length * MASKED)
        yield {"input_ids": tokens, "labels": [NO_LOSS] * masked + tokens[masked:]}


def lengths(workload: Workload, form: str, draw: np.random.Generator) -> list[int]:
    """Tokens of each row: enough rows to fill `workload.sequences`, and a tenth more for packing's gaps."""
    if form == "full":
        return [workload.sequence] * workload.sequences
    scale = workload.sequence / 4096
    drawn: list[int] = []
    while sum(drawn) < 1.1 * workload.sequences * workload.sequence:
        length = scale * np.clip(draw.lognormal(MEAN_LOG, SIGMA), SHORTEST, 4096)
        drawn.append(int(length))
    return drawn
