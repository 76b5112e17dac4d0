"""Random weights of a shape, and rows to train on.

python -m bench.plan.model SCRATCH SHAPE
"""

import json
import sys
from pathlib import Path

from bench.gpu.model import write_tokenizer
from bench.gpu.shape import Shape
from bench.plan.asked import ACCUMULATION, LARGEST, STEPS, model, rows
from bench.plan.shapes import SHAPES

DEVICES = 2
LONGEST = 8192


def write_model(scratch: Path, shape: str) -> None:
    """bf16 weights and a tokenizer, in a folder that appears once it is whole."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    known = dict(SHAPES[shape])
    config = AutoConfig.for_model(known.pop("model_type"), **known, max_position_embeddings=LONGEST)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        llm = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    folder = model(scratch, shape)
    part = folder.with_name(folder.name + ".part")
    # Experts as the tensors that they are trained as: to take them apart and put them together takes minutes.
    llm.save_pretrained(part, max_shard_size="4GB", save_original_format=False)
    write_tokenizer(part, Shape(shape, 0, 0, 0, 0, 0, known["vocab_size"]))
    part.rename(folder)


def write_rows(scratch: Path) -> None:
    """Of every length, as many as the largest micro batch takes on all devices."""
    import numpy as np

    draw = np.random.default_rng(0)
    for length, largest in LARGEST.items():
        count = largest * ACCUMULATION * STEPS * DEVICES
        with rows(scratch, length).open("w", encoding="utf-8") as lines:
            for _ in range(count):
                tokens = draw.integers(0, 100_000, length).tolist()
                lines.write(json.dumps({"input_ids": tokens, "labels": tokens}) + "\n")


if __name__ == "__main__":
    write_model(Path(sys.argv[1]), sys.argv[2])
