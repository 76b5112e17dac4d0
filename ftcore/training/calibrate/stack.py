"""A few decoder layers with random weights and an adapter, trained by one set of kernels."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from ftcore.data.dataset import collate, flat
from ftcore.data.encode import IGNORE_INDEX
from ftcore.plan.architecture import Architecture
from ftcore.plan.work import How, Micro, Work, work
from ftcore.training.calibrate.cases import LABELLED, RANK, TARGETS, Case
from ftcore.training.fast.step import Parts, Step


@dataclass(slots=True)
class Stack:
    """`loss(data)` of a micro batch that `data(case)` makes; gradients go to the adapter."""

    llm: nn.Module
    kernels: str
    device: str
    dtype: torch.dtype
    step: Step | None

    @property
    def trained(self) -> list[Tensor]:
        return [one for one in self.llm.parameters() if one.requires_grad]

    def turn(self, case: Case) -> Callable[[], None]:
        """One forward and backward pass of `case`, to be called again and again."""
        data = self._data(case)
        if self.step is None:
            return self._stock(case, data)
        step = self.step
        # The first micro batch would settle what is computed again from what `parts` says.
        again = step.llm.config.num_hidden_layers if case.again else 0
        step.parts = replace(step.parts, recompute=again, max_length=case.tokens, tokens=case.tokens)
        step.recompute = again
        return lambda: step.loss(data).backward()

    def _stock(self, case: Case, data: dict[str, Any]) -> Callable[[], None]:
        if case.again:
            self.llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        else:
            self.llm.gradient_checkpointing_disable()
        # fp32 needs no casting, and autocast knows no such type.
        casting = self.dtype != torch.float32

        def once() -> None:
            with torch.autocast(self.device, dtype=self.dtype) if casting else nullcontext():
                loss = self.llm(**data).loss
            loss.backward()

        return once

    def _data(self, case: Case) -> dict[str, Any]:
        """Rows of random tokens, the first of each without a label."""
        vocabulary, samples = self.llm.config.vocab_size, []
        for length in case.rows:
            ids = torch.randint(vocabulary, (length,))
            labels = ids.clone()
            labels[: max(1, length - round(LABELLED * length))] = IGNORE_INDEX
            samples.append({
                "input_ids": ids, "labels": labels, "position_ids": torch.arange(length),
                "lengths": torch.tensor([length]),
            })  # fmt: skip
        packed = [{name: torch.cat([one[name] for one in samples]) for name in samples[0]}]
        made = (flat(packed) if self.step is not None else collate(packed, 0))["data"]
        return {
            name: value.to(self.device) if torch.is_tensor(value) else value for name, value in made.items()
        }


def build(shape: Architecture, kernels: str, device: str, dtype: torch.dtype) -> Stack:
    """Weights made on the device; speed does not depend on their values."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            llm = LlamaForCausalLM(_config(shape))
    finally:
        torch.set_default_dtype(before)
    lora = LoraConfig(r=RANK, lora_alpha=16, target_modules=list(TARGETS), task_type="CAUSAL_LM")
    llm = get_peft_model(llm, lora).train()
    step = None
    if kernels != "stock":
        parts = Parts(
            layers=True, loss=True, attention=True, fp8=kernels == "fast_fp8", recompute=0,
            max_length=1, tokens=1, dtype=dtype,
        )  # fmt: skip
        step = Step(llm, parts)
    return Stack(llm, kernels, device, dtype, step)


def work_of(case: Case, kernels: str, dtype: torch.dtype) -> Work:
    """What `plan` counts of it."""
    fused, rows = kernels != "stock", case.rows
    masked = not fused and len(rows) > 1
    how = How("lora", RANK, TARGETS, fused, fused, masked, torch.finfo(dtype).bits // 8)
    labelled = sum(round(LABELLED * row) for row in rows) if fused else case.tokens
    squares = case.tokens**2 if masked else sum(row**2 for row in rows)
    return work(
        case.stack, how, Micro(case.tokens, squares, labelled), case.stack.layers if case.again else 0
    )


def _config(shape: Architecture) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=shape.hidden, intermediate_size=shape.intermediate, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads, vocab_size=shape.vocabulary,
        max_position_embeddings=16_384, rope_theta=500_000.0, rms_norm_eps=1e-5, tie_word_embeddings=False,
        use_cache=False,
    )  # fmt: skip
