"""Sizes of a model, from its `config.json` alone.

Parameters are exact for the families of `ftcore.plan.families`, as transformers 5.17 builds them
(`tests/unit/plan/test_architecture.py` compares with the real classes).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GATE_UP = ("gate_proj", "up_proj")


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


def _mlp(hidden: int, intermediate: int, bias: bool = False) -> tuple[Linear, ...]:
    return (
        Linear("gate_proj", hidden, intermediate, bias),
        Linear("up_proj", hidden, intermediate, bias),
        Linear("down_proj", intermediate, hidden, bias),
    )
