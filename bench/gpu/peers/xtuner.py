"""Stock XTuner 0.2.0: its own model, packing, collation and loop, with the settings of its Llama-3 recipes.

    python -m bench.gpu.peers.xtuner --scratch FOLDER --form full --batch 1

Activation checkpointing and weights turned into fp32 are XTuner's defaults, and stay.
"""

from itertools import pairwise
from typing import Any

import torch

from ftcore import compat

compat.apply()

from datasets import Dataset  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmengine.dataset import DefaultSampler  # noqa: E402
from mmengine.hooks import Hook, IterTimerHook, LoggerHook  # noqa: E402
from mmengine.optim import AmpOptimWrapper, OptimWrapper  # noqa: E402
from mmengine.runner import IterBasedTrainLoop, Runner  # noqa: E402
from peft import LoraConfig  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402
from xtuner.dataset import process_hf_dataset  # noqa: E402
from xtuner.dataset.collate_fns import default_collate_fn  # noqa: E402
from xtuner.model import SupervisedFinetune  # noqa: E402

from bench.gpu.figures import Step  # noqa: E402
from bench.gpu.peers.common import Asked, answer, asked, now  # noqa: E402
from bench.gpu.workload import read  # noqa: E402


class Clock(Hook):
    """Notes every optimiser step's end, tokens, loss and gradient norm."""

    priority = "VERY_LOW"

    def __init__(self, accumulation: int) -> None:
        self.accumulation = accumulation
        self.times: list[float] = []
        self.micro: list[tuple[int, float]] = []
        self.norms: list[float | None] = []

    def before_train(self, runner: Runner) -> None:
        self.times.append(now())

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        self.micro.append((data_batch["data"]["input_ids"].numel(), float(outputs["loss"].detach())))
        if len(self.micro) % self.accumulation == 0:
            norm = runner.message_hub.log_scalars.get("train/grad_norm")
            self.norms.append(None if norm is None else float(norm.current()))
            self.times.append(now())

    def steps(self) -> list[Step]:
        each = range(0, len(self.micro), self.accumulation)
        parts = [self.micro[at : at + self.accumulation] for at in each]
        return [
            Step(after - before, sum(tokens for tokens, _ in part), _mean([loss for _, loss in part]), norm)
            for (before, after), part, norm in zip(pairwise(self.times), parts, self.norms, strict=True)
        ]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def runner(given: Asked, clock: Clock) -> Runner:
    """The runner that `xtuner train` would make of its recipe."""
    work, has_card = given.workload, torch.cuda.is_available()
    model = {
        "type": SupervisedFinetune,
        "use_varlen_attn": False,
        "llm": {
            "type": AutoModelForCausalLM.from_pretrained,
            "pretrained_model_name_or_path": str(work.model),
            "torch_dtype": torch.bfloat16 if has_card else torch.float32,
            "attn_implementation": "sdpa",
        },
        "lora": {
            "type": LoraConfig, "r": work.rank, "lora_alpha": work.alpha, "lora_dropout": 0.0,
            "bias": "none", "task_type": "CAUSAL_LM",
        },
    }  # fmt: skip
    data = process_hf_dataset(
        Dataset.from_list(read(work.rows(given.form))), do_dataset_tokenization=False, tokenizer=None,
        max_length=work.sequence, remove_unused_columns=True, shuffle_before_pack=False,
        pack_to_max_length=True, use_varlen_attn=False, split=None, map_num_proc=1,
    )  # fmt: skip
    mixed = {"type": AmpOptimWrapper, "loss_scale": "dynamic", "dtype": "bfloat16"}
    return Runner(
        model=ConfigDict(model),
        work_dir=str(work.scratch / "xtuner"),
        train_dataloader={
            "batch_size": given.batch,
            "num_workers": 0,
            "dataset": data,
            "sampler": {"type": DefaultSampler, "shuffle": False},
            "collate_fn": {"type": default_collate_fn, "use_varlen_attn": False},
        },
        optim_wrapper=ConfigDict(
            # Without a card, for a trial: mmengine's mixed precision asserts one.
            **(mixed if has_card else {"type": OptimWrapper}),
            optimizer={"type": torch.optim.AdamW, "lr": work.lr, "betas": (0.9, 0.999), "weight_decay": 0},
            clip_grad={"max_norm": work.max_grad_norm, "error_if_nonfinite": False},
            accumulative_counts=work.accumulation,
        ),
        train_cfg={"type": IterBasedTrainLoop, "max_iters": work.steps * work.accumulation},
        default_hooks={
            "timer": {"type": IterTimerHook},
            "logger": {"type": LoggerHook, "log_metric_by_epoch": False, "interval": work.accumulation},
            **dict.fromkeys(("checkpoint", "sampler_seed")),
        },
        custom_hooks=[clock],
        log_processor={"by_epoch": False, "window_size": work.accumulation},
        randomness={"seed": 0, "deterministic": False},
        experiment_name=f"bench-{given.form}",
        default_scope="xtuner",
    )


def main() -> None:
    given = asked(__doc__)
    clock = Clock(given.workload.accumulation)
    if not torch.cuda.is_available():
        # XTuner asks the device for bf16, and `torch.cpu` has no answer.
        torch.cpu.is_bf16_supported = lambda: False
    runner(given, clock).train()
    answer(clock.steps(), ["xtuner", "mmengine", "peft"])


if __name__ == "__main__":
    main()
