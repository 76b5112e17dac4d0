"""Where ftcore does otherwise than XTuner would with the same settings, each with its reason.

`plan` prints those that apply to an experiment, so that nothing differs in silence.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ftcore.config.kernels import Part, possible
from ftcore.config.schema import Experiment


@dataclass(frozen=True, slots=True)
class Decision:
    """One deliberate difference."""

    setting: str
    """Where it stands in the XTuner configuration, or what it is about."""

    stock: str
    ftcore: str
    reason: str

    in_config: bool
    """Whether `--cfg xtuner` shows it; the others concern what ftcore's own worker does with the config."""


Applies = Callable[[Experiment], bool]


def decisions(e: Experiment) -> list[Decision]:
    """The differences that apply to `e`."""
    return [decision for applies, decision in ALL if applies(e)]


def _always(_e: Experiment) -> bool:
    return True


def _possible(part: Part) -> Applies:
    return lambda e: possible(e, part)


ALL: tuple[tuple[Applies, Decision], ...] = (
    (
        _always,
        Decision(
            "default_hooks.checkpoint.save_optimizer", "False", "True",
            "a checkpoint without optimiser state cannot be resumed", True,
        ),
    ),
    (
        _always,
        Decision(
            "randomness.seed", "None", "seed",
            "a run with no stated seed cannot be produced again", True,
        ),
    ),
    (
        lambda e: bool(e.chat_samples.every) and e.zero_stage == 3,
        Decision(
            "custom_hooks.EvaluateChatHook", "every N iterations", "left out under ZeRO-3",
            "each generated token gathers the whole model from all ranks", True,
        ),
    ),
    (
        lambda e: bool(e.chat_samples.every) and e.zero_stage != 3,
        Decision(
            "custom_hooks.EvaluateChatHook.system", "text as it is", "braces doubled",
            "the hook puts the text through str.format and fails on a single brace", True,
        ),
    ),
    (
        lambda e: e.parallelism.deepspeed is not None,
        Decision(
            "DeepSpeed fp16 / bf16", "auto: bf16 whenever torch claims it",
            "written out from precision.dtype",
            "on HIP torch always claims bf16, also where it is emulated", False,
        ),
    ),
    (
        lambda e: e.max_steps is None and e.optim.warmup_ratio > 0,
        Decision(
            "param_scheduler", "warm-up as a fraction of epochs, per iteration",
            "in optimiser steps, at least one",
            "on small data XTuner's warm-up is shorter than an iteration and the rate stays near zero", False,
        ),
    ),
    (
        lambda e: e.optim.gradient_accumulation > 1,
        Decision(
            "default_hooks.checkpoint.interval", "at that iteration", "at the end of the step it falls in",
            "half-accumulated gradients are not in a checkpoint, so a resumed run would differ", False,
        ),
    ),
    (
        lambda e: e.model.bos is False and e.data.format != "text",
        Decision(
            "begin-of-sequence token", "put first wherever the tokenizer has one", "as model.bos says: none",
            "the model's chat template begins without it, and training should look like serving", False,
        ),
    ),
    (
        lambda e: e.data.packing and not e.data.varlen,
        Decision(
            "train_dataloader.dataset.pack_to_max_length", "rows cut at sample ends, attending to each other",
            "whole rows, first-fit, each attending to itself alone",
            "packed loss then equals unpacked loss, and no row is cut", False,
        ),
    ),
    (
        _always,
        Decision(
            "train_dataloader.dataset", "tokenised by rank 0 at every start",
            "once, into a cache that ranks map",
            "trials that share data do not tokenise it again, and no rank waits in a collective", False,
        ),
    ),
    (
        lambda e: e.lora.method == "lora" and e.precision.dtype != "fp32",
        Decision(
            "model.llm (frozen weights)", "turned into fp32", "kept in their 16-bit type",
            "8B parameters take 32 GB in fp32 and 16 GB as they are", False,
        ),
    ),
    (
        _possible("frozen_weights"),
        Decision(
            "model.llm (products with frozen weights)", "in precision.dtype",
            "in float8_e4m3 with a scale a row, forward and backward",
            "asked for by kernels.frozen_weights: faster products, for 3 bits of mantissa in what is not "
            "trained", False,
        ),
    ),
    (
        lambda e: possible(e, "layers") and e.precision.dtype != "fp32",
        Decision(
            "model.lora (adapter)", "fp32, cast to 16 bit for every product",
            "computed in 16 bit, stepped as fp32 master weights (kernels.layers)",
            "added to a layer's output before that is rounded: PEFT adds to a rounded one, where what is "
            "less than half a step of 16 bit is lost", False,
        ),
    ),
    (
        lambda e: possible(e, "layers") and e.lora.dropout > 0,
        Decision(
            "model.lora.lora_dropout", "a mask for every projection",
            "one for every input of a block: q, k and v share theirs, gate and up too (kernels.layers)",
            "each projection drops as often as before, and the input is dropped and kept once", False,
        ),
    ),
    (
        lambda e: possible(e, "layers") and e.kernels.recompute_layers is not None,
        Decision(
            "model.use_activation_checkpointing", "every layer or none",
            "as many layers as kernels.recompute_layers says; auto: as few as the card's memory needs",
            "the numbers are the same, and no layer is computed twice for nothing", False,
        ),
    ),
    (
        _possible("loss"),
        Decision(
            "loss", "mean over labelled positions, of the logits of all positions",
            "the same mean, of the logits of labelled positions alone, in chunks (kernels.loss)",
            "most positions of a prompt carry no label, and the logits of a batch are never held", False,
        ),
    ),
    (
        _possible("attention"),
        Decision(
            "attention of a sequence", "model.attention, over the whole sequence",
            "over each row by its length, in torch's own kernels (kernels.attention)",
            "no work goes into positions that a row may not see, and flash-attn need not be installed", False,
        ),
    ),
    (
        _always,
        Decision(
            "train_cfg.max_epochs", "what is left over of the last step is not applied (DeepSpeed)",
            "the last step is filled from the next epoch", "no sample is computed for nothing", False,
        ),
    ),
)  # fmt: skip
