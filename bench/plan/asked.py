"""From a configuration to the words that ftcore is given, and to what `plan` says of them."""

from pathlib import Path
from typing import Any

from bench.plan.configurations import Configuration
from bench.plan.shapes import SHAPES
from ftcore.config.compose import Composed, compose
from ftcore.config.schema import Experiment
from ftcore.plan.families import read
from ftcore.plan.memory import GIB, memory
from ftcore.plan.time import step

ACCUMULATION, STEPS = 2, 4
"""Micro batches of a step, and steps: the first two compile and warm up."""

LARGEST = dict.fromkeys((512, 1024, 2048, 4096), 8) | {8192: 4}
"""Rows of a micro batch, at most, of which `rows` has enough."""

FULL = dict.fromkeys(("samples", "rows", "tokens", "labelled_share", "longest"))
"""Nothing is known of the data: rows are as long as they may be, and every token carries a label."""


def model(scratch: Path, shape: str) -> Path:
    return scratch / f"model-{shape}"


def rows(scratch: Path, length: int) -> Path:
    return scratch / f"rows-{length}.jsonl"


def composed(one: Configuration, scratch: Path, *words: str) -> Composed:
    """The experiment; `words` come last."""
    return compose([
        "model=custom", f"model.path={model(scratch, one.shape)}", "model.name=random",
        "model.template=llama3_chat",
        "data=tokens", f"data.path={rows(scratch, one.length)}", "data.packing=false", "data.shuffle=false",
        f"max_length={one.length}", f"data.micro_batch_size={one.batch}", f"max_steps={STEPS}",
        f"optim.gradient_accumulation={ACCUMULATION}", "optim.schedule=constant", "optim.warmup_ratio=0.0",
        "hardware=cuda", f"hardware.devices_per_node={one.devices}", "evaluation=none", "export.merge=false",
        "checkpoint.every=null", f"name={one.name}", f"runs_dir={scratch / 'runs'}",
        f"cache_dir={scratch / 'cache'}", "parallelism=single", *one.words, *words,
    ])  # fmt: skip


def predicted(e: Experiment, shape: str) -> dict[str, Any]:
    """What `plan` says: GiB that torch's allocator will have given out, whether it fits, and a step's seconds
    (None without rates of the card)."""
    a = read(SHAPES[shape])
    found, time = memory(e, a), step(e, a, FULL)
    return {
        "planned_seconds": None if time is None else round(time.seconds, 4),
        "predicted_gib": round(found.peak.allocated / GIB, 3),
        "phase": found.phase,
        "recomputed": found.recomputed,
        "fits": found.fits(e.hardware.memory_gib),
        "share_of_card": round(found.peak.total / GIB / e.hardware.memory_gib, 4),
    }
