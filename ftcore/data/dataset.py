"""Prepared samples as tensors, in batches whose packed rows cannot see each other."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ftcore.data.cache import read_manifest
from ftcore.data.encode import IGNORE_INDEX
from ftcore.data.errors import DataError
from ftcore.data.layout import LABELS, ROW_ORDER, ROWS, SAMPLES, TOKENS
from ftcore.data.sampler import EpochSampler

__all__ = ["EpochSampler", "PackedDataset", "Sample", "collate", "flat"]

Sample = dict[str, torch.Tensor]


class PackedDataset(Dataset):
    """The samples of one cache entry, mapped into memory: nothing is read before it is asked for.

    Item i is {"input_ids", "labels", "position_ids"}, int64 of shape (tokens of the sample,), and
    "lengths", int64 of shape (rows in the sample,). position_ids begin at 0 with every row. The label of a
    row's first token is -100: nothing of its own row stands before it to predict it from.

    DataError if the entry is missing or torn.
    """

    def __init__(self, entry_path: str | Path) -> None:
        self.entry_path = Path(entry_path)
        manifest = read_manifest(self.entry_path)
        if manifest is None:
            raise DataError(f"{entry_path}: no whole prepared data here; run the prepare stage again")
        self.manifest = manifest

    def __len__(self) -> int:
        return self.manifest["samples"]

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        index %= len(self)
        first, last = self._samples[index], self._samples[index + 1]
        spans = [(self._rows[row], self._rows[row + 1]) for row in self._order[first:last]]
        lengths = np.array([end - start for start, end in spans], dtype=np.int64)
        tokens = np.concatenate([self._tokens[start:end] for start, end in spans]).astype(np.int64)
        trained = np.concatenate([self._labels[start:end] for start, end in spans])
        starts = np.cumsum(lengths) - lengths
        trained[starts] = False
        return {
            "input_ids": torch.from_numpy(tokens),
            "labels": torch.from_numpy(np.where(trained, tokens, IGNORE_INDEX)),
            "position_ids": torch.from_numpy(np.arange(len(tokens)) - np.repeat(starts, lengths)),
            "lengths": torch.from_numpy(lengths),
        }

    def __getstate__(self) -> dict[str, Any]:
        # A mapped array would be pickled as a copy of the whole file.
        return {"entry_path": self.entry_path, "manifest": self.manifest}

    @cached_property
    def _tokens(self) -> np.ndarray:
        return self._mapped(TOKENS)

    @cached_property
    def _labels(self) -> np.ndarray:
        return self._mapped(LABELS)

    @cached_property
    def _rows(self) -> np.ndarray:
        return self._mapped(ROWS)

    @cached_property
    def _samples(self) -> np.ndarray:
        return self._mapped(SAMPLES)

    @cached_property
    def _order(self) -> np.ndarray:
        return self._mapped(ROW_ORDER)

    def _mapped(self, name: str) -> np.ndarray:
        return np.load(self.entry_path / name, mmap_mode="r")


def collate(batch: Sequence[Sample], pad_token_id: int, flatten: bool = False) -> dict[str, Any]:
    """A batch as XTuner's models take it: {"data": {...}, "data_samples": None}.

    data: input_ids, labels, position_ids, int64 of shape (len(batch), longest sample); attention_mask None;
    use_cache False. With `flatten` the samples stand one behind the other, shape (1, tokens), unpadded.

    Rows are kept apart by position_ids alone: with attention_mask None and no cache, transformers builds a
    block-diagonal causal mask wherever positions do not rise by one (masking_utils.create_causal_mask,
    sdpa and eager). A 2D mask would turn that off, and so would a cache, which models make by default;
    hence both are stated. Padding continues the positions of the last row: under a causal mask nothing
    before it sees it, and a batch of whole rows stays on the fast path that needs no mask at all.
    flash_attention_2 finds rows by their positions in a batch of one only: give it `flatten`.
    """
    if flatten:
        data = {name: torch.cat([sample[name] for sample in batch])[None]
                for name in ("input_ids", "labels", "position_ids")}  # fmt: skip
    else:
        longest = max(len(sample["input_ids"]) for sample in batch)
        data = {
            "input_ids": torch.stack([_padded(each["input_ids"], longest, pad_token_id) for each in batch]),
            "labels": torch.stack([_padded(each["labels"], longest, IGNORE_INDEX) for each in batch]),
            "position_ids": torch.stack([_continued(each["position_ids"], longest) for each in batch]),
        }
    return {"data": {**data, "attention_mask": None, "use_cache": False}, "data_samples": None}


def flat(batch: Sequence[Sample], rank: int = 0, ranks: int = 1) -> dict[str, Any]:
    """A batch as ftcore's own training step takes it: {"data": {...}, "data_samples": None}.

    All rows of all samples stand one behind the other, n tokens, unpadded. data: input_ids, labels and
    position_ids, int64 (1, n); row_lengths, a list; row_starts, int32 (rows + 1,); labelled, int64 (m,), the
    positions that a labelled token comes after, and targets, int64 (m,), those tokens; all_labelled, m. They
    are picked out here, since a GPU would have to be waited for.

    Where `ranks` share the sequences, a row of padding makes n a multiple of them, and what is there a token
    is of the `rank`th share of tokens alone: row_lengths, row_starts and all_labelled are of all.
    """
    data = {name: torch.cat([sample[name] for sample in batch])
            for name in ("input_ids", "labels", "position_ids")}  # fmt: skip
    lengths = torch.cat([sample["lengths"] for sample in batch])
    # A row's first token is never labelled, so that no row predicts the next one's.
    labelled = (data["labels"][1:] != IGNORE_INDEX).nonzero().squeeze(1)
    targets, all_labelled = data["labels"][labelled + 1], len(labelled)
    if ranks > 1:
        missing = -len(data["labels"]) % ranks
        if missing:
            lengths = torch.cat([lengths, torch.tensor([missing])])
            padding = {"input_ids": torch.zeros(missing, dtype=torch.int64),
                       "labels": torch.full((missing,), IGNORE_INDEX),
                       "position_ids": torch.arange(missing)}  # fmt: skip
            data = {name: torch.cat([each, padding[name]]) for name, each in data.items()}
        share = len(data["labels"]) // ranks
        own = slice(rank * share, (rank + 1) * share)
        data = {name: each[own] for name, each in data.items()}
        here = (labelled >= own.start) & (labelled < own.stop)
        labelled, targets = labelled[here] - own.start, targets[here]
    return {
        "data": {
            **{name: each[None] for name, each in data.items()},
            "row_lengths": lengths.tolist(),
            "row_starts": torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32),
            "labelled": labelled,
            "targets": targets,
            "all_labelled": all_labelled,
        },
        "data_samples": None,
    }


def _padded(values: torch.Tensor, length: int, fill: int) -> torch.Tensor:
    return torch.nn.functional.pad(values, (0, length - len(values)), value=fill)


def _continued(positions: torch.Tensor, length: int) -> torch.Tensor:
    return torch.cat([positions, positions[-1] + 1 + torch.arange(length - len(positions))])
