"""Linear layers that read one input, frozen, with their adapters: one matrix product forward, one back.

    y = x W.T + (s x A.T) B.T  =  [x, x (s A).T] [W, B].T

The frozen weights and the B of all layers lie in one matrix, so that what LoRA adds to the output costs no
pass over it. Going back, [W, B] gives the gradient of [x, x (s A).T] in one product too; where the input is
the wider side it is cheaper to carry A below W instead: [dy, dy B] [[W], [s A]].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ftcore.plan.room import ALIGN
from ftcore.training.fast.ops import mm32, ops
from ftcore.training.fast.plain import Low

Defers = Literal["y", "dx"] | None


@dataclass(frozen=True, slots=True)
class Adapter:
    """Of one layer: A (r, in), B (out, r), trained; s."""

    a: nn.Parameter
    b: nn.Parameter
    scale: float


@dataclass(frozen=True, slots=True)
class Linear:
    """A frozen layer, and what is trained on it, if anything is."""

    weight: Tensor
    bias: Tensor | None
    adapter: Adapter | None


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a layer's outputs and its adapter's columns lie among those of all."""

    adapter: Adapter
    outputs: slice
    columns: slice


class Projection:
    """`layers` as one. Inputs and outputs are (n, width) of one 16-bit or 32-bit type."""

    extends = True
    """Whether inputs are to come in the first columns of a buffer `width` wide."""

    def __init__(
        self, layers: Sequence[Linear], dtype: torch.dtype, dropout: bool, defers: Defers = None
    ) -> None:
        self.dtype = dtype
        self.defers = defers if all(layer.adapter for layer in layers) else None
        """The side that comes without the adapters' part, for a kernel after it to add: y, dx or neither."""
        self.inputs = layers[0].weight.shape[1]
        self.outputs = sum(layer.weight.shape[0] for layer in layers)
        self.spans, self.rank = _spans(layers)
        # What goes back through a dropout cannot be in one product with what does not.
        self.below = self.rank if self.extends and self.inputs > self.outputs and not dropout else 0
        """Further columns that a buffer of the output's gradient is to have."""
        biases = [layer.bias for layer in layers]
        self.bias = torch.cat(biases).to(dtype) if all(bias is not None for bias in biases) else None
        if self.bias is None and any(bias is not None for bias in biases):
            raise ValueError("layers that read one input have a bias each, or none has")
        self._place(layers)
        self._filled = False

    @property
    def width(self) -> int:
        """Columns of a buffer that an input is to be made in."""
        return self.inputs + self.rank if self.extends else self.inputs

    @property
    def parameters(self) -> list[nn.Parameter]:
        """A and B of every adapter, in the order of the gradients."""
        return [one for span in self.spans for one in (span.adapter.a, span.adapter.b)]

    def refresh(self) -> None:
        """Copy the adapters to where the products read them.

        Not while gradients are gathered: the weights stand still until a step has used them up. (torch's
        version counters would not tell: its fused AdamW leaves them as they are, torch 2.11.)
        """
        if self._filled and self.spans and self.spans[0].adapter.a.grad is not None:
            return
        self._filled = True
        with torch.no_grad():
            for span in self.spans:
                self.a[span.columns].copy_(span.adapter.a.detach() * span.adapter.scale)
                self.b[span.outputs, span.columns].copy_(span.adapter.b)

    def buffer(self, n: int) -> Tensor:
        """An unfilled (n, width) for an input."""
        return torch.empty((n, self.width), device=self.a.device, dtype=self.dtype)

    def forward(self, x: Tensor, dropped: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y, x (s A).T) of `x` in a buffer; `dropped` is what the adapters read where that is not x."""
        low = x[:, self.inputs :]
        torch.mm(x[:, : self.inputs] if dropped is None else dropped, self.a.T, out=low)
        y = self._product(x, self.weight[: self.outputs])
        return y, low.clone()

    def backward(self, dy: Tensor) -> tuple[Tensor, Tensor]:
        """(dx without the adapters' part, gradient of x (s A).T) of `dy` in a buffer `below` wider.

        Where `below`, the adapters' part is in dx already.
        """
        if self.below:
            low = dy[:, self.outputs :]
            torch.mm(dy[:, : self.outputs], self.b, out=low)
            return dy @ self.weight[:, : self.inputs], low
        both = dy @ self.weight
        return both[:, : self.inputs], both[:, self.inputs :]

    def with_adapters(self, dx: Tensor, low: Tensor) -> Tensor:
        """dx with the adapters' part, in place, unless it has it or is to go without."""
        return dx if self.below or self.defers == "dx" else dx.addmm_(low, self.a)

    def missing_in_y(self, low: Tensor) -> tuple[Low, ...] | None:
        """What is still to be added to each layer's output."""
        if self.defers != "y":
            return None
        return tuple(Low(low[:, s.columns], self.b[s.outputs, s.columns].T) for s in self.spans)

    def missing_in_dx(self, low: Tensor) -> Low | None:
        """What is still to be added to dx."""
        return Low(low, self.a) if self.defers == "dx" else None

    def gradients(self, x: Tensor, dy: Tensor, low: Tensor, d_low: Tensor) -> list[Tensor]:
        """Of `parameters`, in fp32; x is what the adapters read."""
        d_a = mm32(d_low.T, x)
        found = []
        for span in self.spans:
            found.append(d_a[span.columns] * span.adapter.scale)
            found.append(mm32(dy[:, span.outputs].T, low[:, span.columns]))
        return found

    def _place(self, layers: Sequence[Linear]) -> None:
        """Everything into one matrix, and the layers' own weights become views of it."""
        rows = self.outputs + self.below
        like = layers[0].weight
        self.weight = torch.zeros((rows, self.inputs + self.rank), device=like.device, dtype=self.dtype)
        # The columns of no adapter stay zero.
        self.b = self.weight[: self.outputs, self.inputs :]
        at = 0
        for layer in layers:
            place = self.weight[at : at + len(layer.weight), : self.inputs]
            place.copy_(layer.weight)
            layer.weight.data = place
            at += len(layer.weight)
        if rows > self.outputs:
            self.a = self.weight[self.outputs :, : self.inputs]
        else:
            self.a = torch.zeros((self.rank, self.inputs), device=like.device, dtype=self.dtype)

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        return x @ weight.T if self.bias is None else torch.addmm(self.bias, x, weight.T)


class PlainProjection(Projection):
    """A projection whose input comes as it is: for one that somebody else's kernel has written."""

    extends = False

    def forward(self, x: Tensor, dropped: Tensor | None = None) -> tuple[Tensor, Tensor]:
        low = (x if dropped is None else dropped) @ self.a.T
        y = self._base(x)
        return (y if self.defers == "y" else y.addmm_(low, self.b.T)), low

    def backward(self, dy: Tensor) -> tuple[Tensor, Tensor]:
        return self._base_backward(dy), dy @ self.b

    def _place(self, layers: Sequence[Linear]) -> None:
        like = layers[0].weight
        self.a = torch.zeros((self.rank, self.inputs), device=like.device, dtype=self.dtype)
        self.b = torch.zeros((self.outputs, self.rank), device=like.device, dtype=self.dtype)
        self._place_frozen(layers)

    def _place_frozen(self, layers: Sequence[Linear]) -> None:
        if len(layers) > 1:
            self.weight = torch.cat([layer.weight.to(self.dtype) for layer in layers])
            sizes = [len(layer.weight) for layer in layers]
            for layer, place in zip(layers, self.weight.split(sizes), strict=True):
                layer.weight.data = place
        else:
            self.weight = layers[0].weight.detach().to(self.dtype)

    def _base(self, x: Tensor) -> Tensor:
        return self._product(x, self.weight)

    def _base_backward(self, dy: Tensor) -> Tensor:
        return dy @ self.weight


class Fp8Projection(PlainProjection):
    """Frozen weights in fp8, a scale a row; inputs and gradients are quantised a row at a time as they come.

    The backward product sums over the outputs, so it reads the weights quantised along those: two copies,
    which together take what the 16-bit weights took. Adapters stay in 16 bit.
    """

    def _place_frozen(self, layers: Sequence[Linear]) -> None:
        weight = torch.cat([layer.weight.detach() for layer in layers])
        self.ops = ops(weight.device.type)
        self.forth = self.ops.quantise(weight)
        self.back = self.ops.quantise(weight.T.contiguous())
        for layer in layers:
            layer.weight.data = layer.weight.new_empty(0)

    def frozen(self, rows: slice) -> Tensor:
        """Some rows of the frozen weights, for what else reads them (chat samples)."""
        values, scales = self.forth
        return (values[rows].float() * scales[rows]).to(self.dtype)

    def _base(self, x: Tensor) -> Tensor:
        y = self.ops.scaled_mm(*self.ops.quantise(x), *self.forth, self.dtype)
        return y if self.bias is None else y.add_(self.bias)

    def _base_backward(self, dy: Tensor) -> Tensor:
        return self.ops.scaled_mm(*self.ops.quantise(dy), *self.back, self.dtype)


def _spans(layers: Sequence[Linear]) -> tuple[list[_Span], int]:
    spans, out, column = [], 0, 0
    for layer in layers:
        if layer.adapter is not None:
            r = layer.adapter.a.shape[0]
            outputs = slice(out, out + layer.weight.shape[0])
            spans.append(_Span(layer.adapter, outputs, slice(column, column + r)))
            column += r
        out += layer.weight.shape[0]
    return spans, -(-column // ALIGN) * ALIGN
