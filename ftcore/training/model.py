"""XTuner's SupervisedFinetune, with what the experiment states in place of what XTuner guesses."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from peft import get_peft_model, prepare_model_for_kbit_training
from torch import nn
from transformers.integrations import is_deepspeed_zero3_enabled
from xtuner.model import SupervisedFinetune
from xtuner.model.utils import LoadWoInit, find_all_linear_names

from ftcore.training.fast.step import Parts, Step

FLAT = ("row_lengths", "row_starts", "labelled", "targets", "all_labelled")
"""Of `ftcore.data.dataset.flat`'s data, what transformers has no use for."""


class Finetune(SupervisedFinetune):
    """SupervisedFinetune that runs without an accelerator, keeps frozen weights in their own type, and
    computes its loss by ftcore's own parts of a training step where `parts` says so."""

    parts: Parts | None
    """Those that are used; None where the data are stock's."""

    def __init__(self, *, choose_parts: Callable[[nn.Module], Parts] | None = None, **stated: Any) -> None:
        self.choose_parts = choose_parts
        super().__init__(**stated)
        # A copy that waits would wait for all that the GPU has been given so far.
        self.data_preprocessor = BaseDataPreprocessor(non_blocking=True)
        self.step = Step(self.llm, self.parts) if self.parts and self.parts.any else None

    def compute_loss(self, data: dict[str, Any], data_samples: None = None) -> dict[str, torch.Tensor]:
        """{"loss": mean over the labelled tokens}."""
        if self.step is not None:
            return {"loss": self.step.loss(data)}
        return super().compute_loss({name: each for name, each in data.items() if name not in FLAT})

    def build_llm_from_cfg(
        self, llm_cfg: dict[str, Any], use_varlen_attn: bool, max_position_embeddings: int | None
    ) -> nn.Module:
        """The language model as `llm_cfg` states it.

        XTuner asks the device for bf16 here (`torch.cpu` has no answer to that), forces
        trust_remote_code, and swaps in attention written against transformers 4.48; none of it is wanted.
        """
        with LoadWoInit():
            llm = self._build_from_cfg_or_module(llm_cfg)
        llm.config.use_cache = False
        self.parts = self.choose_parts(llm) if self.choose_parts else None
        return llm

    def activation_checkpointing_enable(self) -> None:
        """Under ZeRO-3 the re-entrant form, since weights that were gathered anew do not pass torch's
        check that recomputed tensors are like the saved ones (transformers 5.17, deepspeed 0.18.9)."""
        if self.parts and self.parts.layers:
            return  # they know by themselves which of them to compute again
        kwargs = {"use_reentrant": is_deepspeed_zero3_enabled()}
        self.llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs=kwargs)

    def _prepare_for_lora(
        self, peft_model: str | None = None, use_activation_checkpointing: bool = True
    ) -> None:
        """Attach the adapter. XTuner prepares every model as if it were quantised, which turns all 16-bit
        weights into fp32: 32 GB instead of 16 for 8B parameters."""
        if getattr(self.llm, "is_quantized", False):
            self.llm = prepare_model_for_kbit_training(self.llm, use_activation_checkpointing)
        else:
            self.llm.requires_grad_(False)
        if self.lora.target_modules is None:
            self.lora.target_modules = find_all_linear_names(self.llm)
        # Loading draws random numbers under ZeRO-3 and none otherwise; the adapter begins alike under all.
        torch.manual_seed(torch.initial_seed())
        self.llm = get_peft_model(self.llm, self.lora)
