"""A model's architecture, read from its `config.json` as transformers 5.17 reads it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ftcore.plan.architecture import Architecture
from ftcore.plan.shapes import KNOWN

Config = Mapping[str, Any]


class Unknown(Exception):
    """Why a model's sizes cannot be told."""


def find(path: str) -> tuple[Architecture, str]:
    """The model at `path` (a folder, or a hub id), and where its shape is from; Unknown says why not."""
    folder = Path(path).expanduser()
    file = folder / "config.json"
    name = folder.name
    if not file.is_file():
        if name in KNOWN:
            return read(KNOWN[name]), f"the known shape of {name}"
        where = "has no config.json" if folder.is_dir() else "is not in this machine's folders"
        raise Unknown(f"{path} {where}, and its shape is none of those known here")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unknown(f"{file} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise Unknown(f"{file} is no JSON object")
    return read(config), str(file)


def read(config: Config) -> Architecture:
    """The architecture that a `config.json` states; Unknown where the family is not one of `FAMILIES`, or a
    size is missing or is no size."""
    family = config.get("model_type")
    if family not in FAMILIES:
        raise Unknown(f"the shapes of the {family} family are not known, only of {', '.join(FAMILIES)}")
    try:
        return FAMILIES[family](config)
    except KeyError as error:
        raise Unknown(f"config.json does not state {error.args[0]}") from None
    except ValueError as error:
        raise Unknown(f"config.json: {error}") from None


def _common(config: Config) -> dict[str, Any]:
    hidden, heads = _size(config, "hidden_size"), _size(config, "num_attention_heads")
    return {
        "family": config["model_type"],
        "hidden": hidden,
        "intermediate": _size(config, "intermediate_size"),
        "layers": _size(config, "num_hidden_layers"),
        "heads": heads,
        "kv_heads": _size(config, "num_key_value_heads", heads),
        "head_dim": _size(config, "head_dim", hidden // heads),
        "vocabulary": _size(config, "vocab_size"),
        "tied": bool(config.get("tie_word_embeddings", False)),
    }


def _size(config: Config, key: str, otherwise: int | None = None) -> int:
    value = config.get(key)
    if value is None:
        if otherwise is None:
            raise KeyError(key)
        return otherwise
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{key} is {value!r}, not a number of elements")
    return value


def _llama(config: Config) -> Architecture:
    bias = bool(config.get("attention_bias", False))
    mlp_bias = bool(config.get("mlp_bias", False))
    return Architecture(**_common(config), qkv_bias=bias, o_bias=bias, mlp_bias=mlp_bias)


def _mistral(config: Config) -> Architecture:
    # transformers leaves values that are its defaults out of the file.
    return Architecture(**_common(config), sliding_window=config.get("sliding_window", 4096))


def _qwen2(config: Config) -> Architecture:
    window = config.get("sliding_window") if config.get("use_sliding_window") else None
    return Architecture(**_common(config), qkv_bias=True, sliding_window=window)


def _qwen3(config: Config) -> Architecture:
    bias = bool(config.get("attention_bias", False))
    given = {"head_dim": 128} | dict(config)
    return Architecture(**_common(given), qkv_bias=bias, o_bias=bias, qk_norm=True)


def _mixtral(config: Config) -> Architecture:
    return Architecture(
        **_common(config),
        experts=_size(config, "num_local_experts"),
        experts_per_token=_size(config, "num_experts_per_tok"),
        expert_intermediate=_size(config, "intermediate_size"),
        sliding_window=config.get("sliding_window"),
    )


def _qwen2_moe(config: Config) -> Architecture:
    return Architecture(
        **_common(config),
        **_qwen_experts(config),
        qkv_bias=bool(config.get("qkv_bias", True)),
        shared_intermediate=_size(config, "shared_expert_intermediate_size"),
    )


def _qwen3_moe(config: Config) -> Architecture:
    bias = bool(config.get("attention_bias", False))
    further = _qwen_experts(config) | {"qk_norm": True, "adapts_experts": True}
    return Architecture(**_common(config), **further, qkv_bias=bias, o_bias=bias)


def _qwen_experts(config: Config) -> dict[str, Any]:
    layers, step = _size(config, "num_hidden_layers"), _size(config, "decoder_sparse_step", 1)
    dense = config.get("mlp_only_layers") or []
    # The second name is the one that transformers 5 saves qwen3_moe's under.
    saved = "num_local_experts" in config and "num_experts" not in config
    return {
        "experts": _size(config, "num_local_experts" if saved else "num_experts"),
        "experts_per_token": _size(config, "num_experts_per_tok"),
        "expert_intermediate": _size(config, "moe_intermediate_size"),
        "dense_layers": sum(1 for n in range(layers) if n in dense or (n + 1) % step),
    }


FAMILIES: dict[str, Callable[[Config], Architecture]] = {
    "llama": _llama, "mistral": _mistral, "qwen2": _qwen2, "qwen3": _qwen3, "mixtral": _mixtral,
    "qwen2_moe": _qwen2_moe, "qwen3_moe": _qwen3_moe,
}  # fmt: skip
"""`model_type` -> how its `config.json` is read."""
