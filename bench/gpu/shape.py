"""Shapes of models: the one that is measured, and a tiny one of the same kind to try the benchmark out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama: sizes in elements, layers and heads."""

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        """Weights of the base model, embeddings and head among them."""
        kv = self.hidden * self.kv_heads // self.heads
        attention = 2 * self.hidden * (self.hidden + kv)
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        return self.layers * layer + 2 * self.vocabulary * self.hidden + self.hidden

    @property
    def ordinary_tokens(self) -> int:
        """Ids below are text; Llama-3 has 256 special ones at the end."""
        return self.vocabulary - 256


LLAMA3_8B = Shape("llama3-8b", 4096, 14336, 32, 32, 8, 128_256)
TINY = Shape("tiny", 64, 192, 2, 4, 2, 1024)
