"""Models and tokenizers in memory, as the experiment states them."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ftcore.config.schema import Model

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_model(
    path: str | Path, model: Model, dtype: torch.dtype | str, device: str = "cpu"
) -> PreTrainedModel:
    """The causal language model in `path`; dtype "auto" keeps the type it was saved in."""
    kwargs: dict[str, Any] = {"attn_implementation": model.attention} if model.attention != "sdpa" else {}
    llm = AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, trust_remote_code=model.trust_remote_code, **kwargs
    )
    return llm.to(device).eval()


def load_tokenizer(path: str | Path, model: Model) -> PreTrainedTokenizerBase:
    """The tokenizer in `path`, padding on the left as generation needs it."""
    stated = model.tokenizer.model_dump(exclude_none=True) | {"padding_side": "left"}
    tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=model.trust_remote_code, **stated)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
