"""A model of transformers' with PEFT's adapters -> the decoder layers that train it here.

The model keeps its modules, names and state dict; its frozen weights become views of what the layers read,
and its own forward pass stays as it was, for chat samples.
"""

from functools import partial
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn import functional as F

from ftcore.config.kernels import Part
from ftcore.config.schema.kernels import FUSED_FAMILIES
from ftcore.training.fast.layer import DecoderLayer
from ftcore.training.fast.projection import (
    Adapter,
    Defers,
    Fp8Projection,
    Linear,
    PlainProjection,
    Projection,
)

ADAPTER = "default"
"""PEFT's name for the only one there is."""


def unfit(llm: nn.Module, part: Part, max_length: int) -> str | None:
    """Why ftcore's own `part` cannot take the place of this model's; None where it can."""
    config = _base(llm).config
    if config.model_type not in FUSED_FAMILIES:
        return f"it is there for {', '.join(FUSED_FAMILIES)}, and this model is {config.model_type}"
    window = getattr(config, "sliding_window", None)
    sliding = "sliding_attention" in (getattr(config, "layer_types", None) or ())
    if part != "loss" and window and window < max_length and (sliding or config.model_type == "mistral"):
        return f"it attends to whole rows, and this model to the last {window} tokens"
    if part != "loss" and getattr(config, "attention_dropout", 0.0):
        return "it has no dropout in attention"
    if part == "layers" and config.hidden_act != "silu":
        return f"it computes silu, and this model {config.hidden_act}"
    return None


def decoder(llm: nn.Module) -> nn.Module:
    """The part of a causal language model before its head: embeddings, layers, norm, positions."""
    return _base(llm).model


def head(llm: nn.Module) -> Tensor:
    """Weight of the head, (vocabulary, h)."""
    return _base(llm).lm_head.weight


def layers(llm: nn.Module, dtype: torch.dtype, fp8: bool) -> list[DecoderLayer]:
    """Every decoder layer of `llm`, which is on its device already, reading its weights in `dtype`."""
    return [_layer(each, _base(llm).config, dtype, fp8) for each in decoder(llm).layers]


def _layer(module: nn.Module, config: Any, dtype: torch.dtype, fp8: bool) -> DecoderLayer:
    attention, mlp = module.self_attn, module.mlp
    dropout = max((_dropout(each) for each in module.modules() if isinstance(each, LoraLayer)), default=0.0)

    def projection(kind: type[Projection], *parts: nn.Module) -> Projection:
        linear = [_linear(part) for part in parts]
        if not fp8:
            return kind(linear, dtype, dropout > 0)
        # fp8 weights cannot lie in one matrix with 16-bit adapters; what those add to the wide sides of the
        # MLP its own kernels add in passing. What goes back through a dropout is added before.
        wide: dict[nn.Module, Defers] = {mlp.gate_proj: "y", mlp.down_proj: None if dropout else "dx"}
        made = Fp8Projection(linear, dtype, dropout > 0, wide.get(parts[0]))
        _read_through(made, parts)
        return made

    return DecoderLayer(
        qkv=projection(Projection, attention.q_proj, attention.k_proj, attention.v_proj),
        o=projection(PlainProjection, attention.o_proj),
        gate_up=projection(Projection, mlp.gate_proj, mlp.up_proj),
        down=projection(Projection, mlp.down_proj),
        norms=(module.input_layernorm.weight.detach().to(dtype),
               module.post_attention_layernorm.weight.detach().to(dtype)),
        eps=config.rms_norm_eps,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        dropout=dropout,
    )  # fmt: skip


def _linear(module: nn.Module) -> Linear:
    if not isinstance(module, LoraLayer):
        return Linear(module.weight, module.bias, None)
    base = module.base_layer
    a, b = module.lora_A[ADAPTER].weight, module.lora_B[ADAPTER].weight
    return Linear(base.weight, base.bias, Adapter(a, b, module.scaling[ADAPTER]))


def _dropout(module: LoraLayer) -> float:
    return getattr(module.lora_dropout[ADAPTER], "p", 0.0)


def _read_through(projection: Fp8Projection, parts: tuple[nn.Module, ...]) -> None:
    """Let the modules, whose own weights are gone, compute with the fp8 ones."""
    at = 0
    for part in parts:
        base = part.base_layer if isinstance(part, LoraLayer) else part
        rows = slice(at, at := at + base.out_features)
        base.forward = partial(_with_frozen, projection, rows, base.bias)


def _with_frozen(projection: Fp8Projection, rows: slice, bias: Tensor | None, x: Tensor) -> Tensor:
    return F.linear(x, projection.frozen(rows).to(x.dtype), bias)


def _base(llm: nn.Module) -> nn.Module:
    return llm.get_base_model() if hasattr(llm, "get_base_model") else llm
