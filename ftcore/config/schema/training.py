"""How the weights move: precision, optimiser, schedule, checkpoints."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from ftcore.config.schema.base import COSMETIC, Fraction, Positive, Section

Beta = Annotated[float, Field(ge=0.0, lt=1.0)]


class Precision(Section):
    """The type of weights and activations; stated, never guessed (bf16 is emulated on some cards)."""

    dtype: Literal["fp32", "bf16", "fp16"]

    weights: Literal["auto", "fp32", "bf16", "fp16"]
    """What the weights are loaded in. auto: `dtype`, but fp32 where every weight is trained without
    DeepSpeed, which would keep an fp32 copy of its own."""

    loss_scale: Literal["dynamic"] | Annotated[float, Field(gt=0)]
    """fp16 only."""


class Optim(Section):
    """Optimiser, gradient handling and learning-rate schedule."""

    optimizer: Literal["adamw"]
    lr: float = Field(gt=0, le=1)
    betas: Annotated[tuple[Beta, Beta], Strict(False)]
    eps: float = Field(gt=0)
    weight_decay: float = Field(ge=0)

    max_grad_norm: float = Field(ge=0)
    """Gradients are scaled to this norm; 0 leaves them alone."""

    gradient_accumulation: Positive
    """Iterations (forward and backward passes of a micro batch) that make one optimiser step."""

    schedule: Literal["cosine", "linear", "constant"]

    warmup_ratio: Fraction
    """Share of all steps over which the rate rises; at least one real step."""

    warmup_start: float = Field(ge=0, le=1)
    """Factor of `lr` at which the stock XTuner config begins; ftcore itself rises from the first step on."""

    min_lr_ratio: Fraction
    """Factor of `lr` that the schedule ends at."""


class Checkpoint(Section):
    """Resumable checkpoints in the run directory."""

    every: Positive | None = Field(json_schema_extra=COSMETIC)
    """Iterations between checkpoints; a save waits for the end of its optimiser step. Null saves at the end
    alone (stock XTuner: not at all)."""

    keep: Positive | None = Field(json_schema_extra=COSMETIC)
    """Newest checkpoints that stay; null keeps all."""


class Logging(Section):
    """What mmengine's own text log shows; `metrics.jsonl` always has every step."""

    every: Positive = Field(json_schema_extra=COSMETIC)

    window: Positive = Field(json_schema_extra=COSMETIC)
    """Iterations that a logged value is the mean of."""

    averages: str | None = Field(json_schema_extra=COSMETIC)
    """Regular expression of the values that are averaged; null is mmengine's own."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(json_schema_extra=COSMETIC)
