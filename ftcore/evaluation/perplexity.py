"""How well a model foresees a text, token by token."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ftcore.config.schema.evaluation import Perplexity
from ftcore.evaluation.foreseen import Block

CHARACTERS_A_TOKEN = 20
"""No text has so many over any length; what lies beyond is not tokenised."""


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens [begin, end) of a document, of which those from `scored` on count here."""

    document: int
    begin: int
    scored: int
    end: int


def tokenised(tokenizer: PreTrainedTokenizerBase, documents: Sequence[str], most: int) -> list[list[int]]:
    """Ids of each document as the tokenizer encodes plain text, `most` in all; the last one may be cut."""
    found: list[list[int]] = []
    for text in documents:
        left = most - sum(map(len, found))
        if left < 2:
            break
        found.append(list(tokenizer(text[: left * CHARACTERS_A_TOKEN])["input_ids"])[:left])
    return found


def windows(lengths: Sequence[int], window: int, stride: int) -> list[Window]:
    """Windows in which every token but a document's first counts exactly once.

    A window begins `stride` tokens after the one before; what they share is context in the later one, so
    that but for a document's beginning each token is foreseen from `window - stride` others at least.
    """
    found = []
    for document, length in enumerate(lengths):
        begin, scored = 0, 1
        while scored < length:
            end = min(begin + window, length)
            if end > scored:
                found.append(Window(document, begin, scored, end))
                scored = end
            begin += stride
    return found


@torch.inference_mode()
def losses(
    model: PreTrainedModel,
    documents: Sequence[Sequence[int]],
    settings: Perplexity,
    report: Callable[[int, int], None],
) -> list[Block]:
    """A block for each window, in order. `report` is called with the windows done and all; it may raise."""
    every = windows([len(ids) for ids in documents], settings.window, settings.stride)
    blocks = []
    for start in range(0, len(every), settings.batch_size):
        batch = every[start : start + settings.batch_size]
        longest = max(one.end - one.begin for one in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(batch):
            ids[row, : one.end - one.begin] = torch.tensor(documents[one.document][one.begin : one.end])
            mask[row, : one.end - one.begin] = 1
        ids, mask = ids.to(model.device), mask.to(model.device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        for row, one in enumerate(batch):
            first, last = one.scored - one.begin, one.end - one.begin
            loss = functional.cross_entropy(
                logits[row, first - 1 : last - 1].float(), ids[row, first:last], reduction="sum"
            )
            blocks.append(Block(loss.item(), last - first))
        report(min(start + settings.batch_size, len(every)), len(every))
    return blocks
