"""What TRL and Unsloth share: transformers' Trainer, its settings, and a clock in it."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainerCallback
from trl import SFTConfig, SFTTrainer

from bench.gpu.figures import Step
from bench.gpu.peers.common import Asked, now
from bench.gpu.workload import read


def settings(asked: Asked, **more: Any) -> SFTConfig:
    """A sequence a row where rows are full; where they are short, TRL's own packing (best fit decreasing)."""
    work, packed = asked.workload, asked.form == "real"
    return SFTConfig(
        output_dir=str(work.scratch / "trainer"),
        per_device_train_batch_size=asked.batch,
        gradient_accumulation_steps=work.accumulation,
        max_steps=work.steps,
        learning_rate=work.lr,
        lr_scheduler_type="constant",
        max_grad_norm=work.max_grad_norm,
        optim="adamw_torch_fused",
        weight_decay=0.0,
        bf16=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
        max_length=work.sequence,
        packing=packed,
        dataset_kwargs=None if packed else {"skip_prepare_dataset": True},
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        remove_unused_columns=packed,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        seed=0,
        **more,
    )


def rows(asked: Asked) -> Dataset:
    """The workload's rows with their labels."""
    return Dataset.from_list(read(asked.workload.rows(asked.form)))


def padded(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return tokenizer


class Clock(TrainerCallback):
    """When training began and each optimiser step ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.times.append(now())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.times.append(now())


class Counted:
    """A collator that notes the tokens of each micro batch, padding left out."""

    def __init__(self, collate: Callable[[list], dict[str, torch.Tensor]]) -> None:
        self.collate = collate
        self.tokens: list[int] = []

    def __call__(self, samples: list) -> dict[str, torch.Tensor]:
        self.tokens.append(sum(len(sample["input_ids"]) for sample in samples))
        return self.collate(samples)


def train(trainer: SFTTrainer, accumulation: int) -> list[Step]:
    """Train to the end, with the clock on."""
    clock, counted = Clock(), Counted(trainer.data_collator)
    trainer.add_callback(clock)
    trainer.data_collator = counted
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "grad_norm" in entry]
    # A loader reads ahead, so there may be more batches than were trained on.
    tokens = [
        sum(counted.tokens[at : at + accumulation]) for at in range(0, len(logs) * accumulation, accumulation)
    ]
    return [
        Step(after - before, each, entry.get("loss"), float(entry["grad_norm"]))
        for (before, after), each, entry in zip(pairwise(clock.times), tokens, logs, strict=True)
    ]
