"""Sizes of a model, from its `config.json` alone.

Parameters are exact for the families of `FAMILIES`, as transformers 5.17 builds them
(`tests/unit/plan/test_architecture.py` compares with the real classes).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.plan.shapes import KNOWN

Config = Mapping[str, Any]
GATE_UP = ("gate_proj", "up_proj")


class Unknown(Exception):
    """Why a model's sizes cannot be told."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer of a decoder layer, to which an adapter may be attached."""

    name: str
    inputs: int
    outputs: int
    bias: bool = False

    @property
    def weights(self) -> int:
        """Parameters of the matrix."""
        return self.inputs * self.outputs

    @property
    def parameters(self) -> int:
        return self.weights + self.outputs * self.bias


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder-only language model. Sizes are in elements."""

    family: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int

    tied: bool = False
    """The head is the embeddings."""

    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False

    qk_norm: bool = False
    """q and k have a norm of their own, over a head."""

    sliding_window: int | None = None

    experts: int = 0
    """0 is a dense model."""

    experts_per_token: int = 0
    expert_intermediate: int = 0

    shared_intermediate: int = 0
    """Of an expert that every token passes through, behind a gate; 0 is none."""

    dense_layers: int = 0
    """Layers of a model of experts that have an ordinary MLP instead."""

    adapts_experts: bool = False
    """gate_proj, up_proj and down_proj are the experts to PEFT, and nothing else (peft 0.21, qwen3_moe)."""

    @property
    def q(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        """Width of k, and of v."""
        return self.kv_heads * self.head_dim

    @property
    def attention(self) -> tuple[Linear, ...]:
        h = self.hidden
        return (
            Linear("q_proj", h, self.q, self.qkv_bias),
            Linear("k_proj", h, self.kv, self.qkv_bias),
            Linear("v_proj", h, self.kv, self.qkv_bias),
            Linear("o_proj", self.q, h, self.o_bias),
        )

    @property
    def dense_mlp(self) -> tuple[Linear, ...]:
        return _mlp(self.hidden, self.intermediate, self.mlp_bias)

    @property
    def sparse_mlp(self) -> tuple[Linear, ...]:
        """The linear layers beside a block of experts, which transformers 5 keeps in tensors of their own."""
        if not self.shared_intermediate:
            return ()
        return (*_mlp(self.hidden, self.shared_intermediate), Linear("shared_expert_gate", self.hidden, 1))

    @property
    def sparse_layers(self) -> int:
        return self.layers - self.dense_layers if self.experts else 0

    @property
    def expert_parameters(self) -> int:
        """Of the experts of one layer, and what routes to them."""
        each = 3 * self.hidden * self.expert_intermediate
        return self.experts * (each + self.hidden)

    @property
    def layer_norms(self) -> int:
        """Parameters of a layer's norms."""
        return 2 * self.hidden + 2 * self.head_dim * self.qk_norm

    @property
    def linears(self) -> Iterator[tuple[Linear, int]]:
        """Every linear layer but the head, with how many there are of it."""
        for one in self.attention:
            yield one, self.layers
        for one in self.dense_mlp:
            yield one, self.layers - self.sparse_layers
        for one in self.sparse_mlp:
            yield one, self.sparse_layers

    def parameters_by_part(self) -> dict[str, int]:
        """Parameters of the whole model by part; their sum is what `model.num_parameters()` says."""
        dense = sum(one.parameters for one in self.dense_mlp) * (self.layers - self.sparse_layers)
        sparse = sum(one.parameters for one in self.sparse_mlp) * self.sparse_layers
        return {
            "embeddings": self.vocabulary * self.hidden,
            "attention": sum(one.parameters for one in self.attention) * self.layers,
            "mlp": dense + sparse,
            "experts": self.expert_parameters * self.sparse_layers,
            "norms": self.layer_norms * self.layers + self.hidden,
            "head": 0 if self.tied else self.vocabulary * self.hidden,
        }

    @property
    def parameters(self) -> int:
        return sum(self.parameters_by_part().values())

    @property
    def layer_parameters(self) -> int:
        """Of the largest decoder layer."""
        parts = self.parameters_by_part()
        return -(-sum(parts[name] for name in ("attention", "mlp", "experts", "norms")) // self.layers)

    def targeted(self, targets: Sequence[str] | None) -> list[tuple[Linear, int]]:
        """The linear layers that an adapter is attached to, with how many there are of each.

        A name counts as PEFT counts it: the last part of a module's path. None is every one but the head.
        """
        every = [
            one
            for one in self.linears
            if not (self.adapts_experts and one[0].name in (*GATE_UP, "down_proj"))
        ]
        return [(one, count) for one, count in every if targets is None or one.name in targets]

    def adapted_experts(self, targets: Sequence[str] | None) -> tuple[bool, bool]:
        """Whether the experts' gate and up, which are one tensor, and their down have an adapter. Without
        targets the names are those of linear layers, so that a model whose layers are all sparse has none."""
        if not self.adapts_experts or (targets is None and self.layers == self.sparse_layers):
            return False, False
        names = (*GATE_UP, "down_proj") if targets is None else targets
        return any(name in names for name in GATE_UP), "down_proj" in names

    def expert_adapters(self, rank: int, targets: Sequence[str] | None) -> int:
        """Parameters of the adapters of all experts, one for each; of gate and up of twice the rank."""
        gate_up, down = self.adapted_experts(targets)
        width = gate_up * 2 * (self.hidden + 2 * self.expert_intermediate)
        width += down * (self.hidden + self.expert_intermediate)
        return rank * width * self.experts * self.sparse_layers

    def lora_parameters(self, rank: int, targets: Sequence[str] | None) -> int:
        """A (rank, in) and B (out, rank) for every targeted layer, and the experts' adapters."""
        linear = sum(rank * (one.inputs + one.outputs) * count for one, count in self.targeted(targets))
        return linear + self.expert_adapters(rank, targets)


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


def _mlp(hidden: int, intermediate: int, bias: bool = False) -> tuple[Linear, ...]:
    return (
        Linear("gate_proj", hidden, intermediate, bias),
        Linear("up_proj", hidden, intermediate, bias),
        Linear("down_proj", intermediate, hidden, bias),
    )


FAMILIES: dict[str, Callable[[Config], Architecture]] = {
    "llama": _llama, "mistral": _mistral, "qwen2": _qwen2, "qwen3": _qwen3, "mixtral": _mixtral,
    "qwen2_moe": _qwen2_moe, "qwen3_moe": _qwen3_moe,
}  # fmt: skip
"""`model_type` -> how its `config.json` is read."""
