"""Which code computes a training step: transformers' own parts, or ftcore's in their place."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.config.schema.base import Section

FUSED_FAMILIES = ("llama", "mistral", "qwen2")
"""`model_type` of the models that ftcore has decoder layers for."""


class Kernels(Section):
    """`auto` is ftcore's part where the model and the set-up are ones it is verified for, and stock
    otherwise; the run's record says which was used. A part that is stated is an order: refused where it
    cannot be."""

    layers: Literal["auto", "stock", "fused"]
    """Decoder layers: transformers' own through PEFT, or ftcore's (llama, mistral and qwen2 families) with
    LoRA inside the matrix products and a written backward pass."""

    loss: Literal["auto", "stock", "fused"]
    """Cross-entropy over all logits, or over labelled positions alone, in chunks: the logits of a batch are
    never held."""

    attention: Literal["auto", "stock", "rows"]
    """transformers' own, where a mask keeps packed rows apart (`model.attention`), or one that takes the
    rows' lengths: torch's own kernels, without a flash-attn package; plain PyTorch on a CPU."""

    frozen_weights: Literal["native", "fp8"]
    """The type in which matrix products read frozen weights, forward and backward: their own, or float8_e4m3
    with a scale a row (CUDA, sm_89 and newer)."""

    optimizer: Literal["stock", "fused"]
    """torch's AdamW in its foreach form, or in its fused kernel."""

    recompute_layers: Literal["auto"] | Annotated[int, Field(ge=0)] | None
    """Decoder layers whose activations are computed again in the backward pass: as few as the card's memory
    needs (auto), or a number of them. Null, and auto on stock layers: all or none, as
    `model.activation_checkpointing` says."""
