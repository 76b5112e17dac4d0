"""The loss of a micro batch, by ftcore's parts of a training step where they are used."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ftcore.training.fast import attach, memory, stock_attention
from ftcore.training.fast.layer import Batch, Call, DecoderLayer, RunLayer
from ftcore.training.fast.loss import linear_cross_entropy
from ftcore.training.fast.rows import Rows, rows
from ftcore.training.fast.sequence import SequenceGroup

SEEDS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Parts:
    """Which of ftcore's parts are used, and how; `unfit` says why layers that could have been are not."""

    layers: bool
    loss: bool
    attention: bool
    fp8: bool
    recompute: int | None
    """None finds out."""

    max_length: int
    tokens: int
    """Most tokens of a micro batch."""

    dtype: torch.dtype

    group: SequenceGroup | None = None
    """Ranks that share each sequence."""

    @property
    def any(self) -> bool:
        return self.layers or self.loss or self.attention


class Step:
    """A language model's training step.

    Data of a micro batch are `ftcore.data.dataset.flat`'s.
    """

    def __init__(self, llm: nn.Module, parts: Parts) -> None:
        self.llm, self.parts = llm, parts
        self._layers: list[DecoderLayer] | None = None
        self.recompute: int | None = parts.recompute
        """Layers that are computed again; None until the first micro batch has found out."""
        if parts.attention and not parts.layers:
            stock_attention.use(attach.decoder(llm))

    def loss(self, data: dict[str, Any]) -> Tensor:
        """Mean over the labelled tokens, fp32, of no shape."""
        group = self.parts.group
        by = rows(data["row_lengths"], data["row_starts"], self.parts.max_length, group)
        own = self._own(data, by)
        return own if group is None else group.sum_of(own)

    def _own(self, data: dict[str, Any], by: Rows) -> Tensor:
        """This rank's part of the loss."""
        if self.parts.layers:
            # What is computed here states its types; autocast would turn fp32 products into others.
            with torch.autocast(data["input_ids"].device.type, enabled=False):
                return self._loss(attach.decoder(self.llm).norm(self._hidden(data, by)), data)
        given: dict[str, Any] = {"attention_mask": None}
        if self.parts.attention:
            # Of four dimensions it is handed on as it is: else transformers makes one of n x n, which nobody
            # reads.
            given = {"attention_mask": data["input_ids"].new_ones((1, 1, 1, 1), dtype=torch.bool), "rows": by}
        outputs = attach.decoder(self.llm)(
            input_ids=data["input_ids"], position_ids=data["position_ids"], use_cache=False, **given
        )
        return self._loss(outputs.last_hidden_state[0].index_select(0, data["labelled"]), data)

    def _loss(self, hidden: Tensor, data: dict[str, Any]) -> Tensor:
        """Of the labelled positions' hidden states after the last norm, (m, h)."""
        if not len(hidden):
            # No label at all has no mean: nan, as transformers gives. None on this rank adds nothing.
            return hidden.sum() * (0.0 if data["all_labelled"] else float("nan"))
        weight, targets = attach.head(self.llm), data["targets"]
        if self.parts.loss:
            mean = linear_cross_entropy(hidden, weight, targets)
        else:
            logits = (hidden @ weight.to(hidden.dtype).T).float()
            mean = nn.functional.cross_entropy(logits, targets)
        return mean if self.parts.group is None else mean * (len(targets) / data["all_labelled"])

    def _hidden(self, data: dict[str, Any], by: Rows) -> Tensor:
        """The last layer's output at the labelled positions, (m, h)."""
        decoder = attach.decoder(self.llm)
        x = decoder.embed_tokens(data["input_ids"]).to(self.parts.dtype)
        cos, sin = (each[0].contiguous() for each in decoder.rotary_emb(x, data["position_ids"]))
        batch, layers = Batch(by, cos, sin), self._prepared()
        x = x[0]
        for number, layer in enumerate(layers):
            for projection in layer.projections:
                projection.refresh()
            adapters = [one for projection in layer.projections for one in projection.parameters]
            seeds = tuple(torch.randint(SEEDS, (4,)).tolist()) if layer.dropout else (0, 0, 0, 0)
            only = data["labelled"] if number == len(layers) - 1 and len(data["labelled"]) else None
            x = RunLayer.apply(x, layer, Call(batch, seeds, only), number < self.recompute, *adapters)
        return x if len(data["labelled"]) else x[:0]

    def _prepared(self) -> list[DecoderLayer]:
        """The layers, made when the model is where it trains."""
        if self._layers is None:
            self._layers = attach.layers(self.llm, self.parts.dtype, self.parts.fp8)
            self.recompute = self._recompute()
        return self._layers

    def _recompute(self) -> int:
        """Layers to compute again, the same on all ranks."""
        if self.parts.recompute is not None:
            return min(self.parts.recompute, len(self._layers))
        if not torch.cuda.is_available():
            return 0
        torch.cuda.empty_cache()
        trained = sum(one.numel() for one in self.llm.parameters() if one.requires_grad)
        size = torch.finfo(self.parts.dtype).bits // 8
        shared = self.parts.group is not None
        count = memory.to_recompute(memory.room(trained), self._layers, self.parts.tokens, size, shared)
        most = torch.tensor(count, device="cuda")
        if dist.is_initialized():
            dist.all_reduce(most, op=dist.ReduceOp.MAX)
        return int(most)
