"""Records to tokens, batch by batch, in this process or in several; the result is the same."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ftcore.data.encode import Encoded, Encoder
from ftcore.data.sources import FORMATS, BadRows, Record, read_records
from ftcore.data.templates import Template
from ftcore.data.tokenizer import Codec

BATCH_ROWS, BATCH_BYTES = 256, 1 << 20
SMALL_ROWS, SMALL_BYTES = 5_000, 64 << 20
"""Up to here the start of a pool costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Task:
    """How to tokenise a source; sent once to every process."""

    format: str
    on_bad_row: str
    codec: Codec
    template: Template
    bot_name: str | None
    max_length: int
    long_rows: str

    def encoder(self) -> Encoder:
        """The encoder of this process."""
        codec = self.codec
        return Encoder(
            codec.open(), self.template, codec.bos_ids, codec.eos_ids, self.max_length, self.bot_name,
            codec.vocabulary,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tokenised:
    """The kept sequences of one batch of records, in order, and what became of the rest.

    tokens int32 and trained bool, both of shape (sum of lengths,); lengths int64 (sequences,).
    labelled: trained tokens that something stands before, which are those a loss sees.
    dropped: rows left without any; too_long: rows left out for their length (`long_rows` drop);
    truncated and tokens_cut count the rows that were cut, dropped ones too.
    """

    tokens: np.ndarray
    trained: np.ndarray
    lengths: np.ndarray
    read: int
    kept: int
    truncated: int
    tokens_cut: int
    dropped: int
    too_long: int
    labelled: int
    bad: BadRows
    size: int


def tokenise(records: Iterator[Record], task: Task, workers: int) -> Iterator[Tokenised]:
    """Batches in the order of the records. `workers` 0 is one a core; small data stays in this process.

    DataError for a bad row if `task.on_bad_row` is "error": always the first one.
    """
    workers = workers or len(os.sched_getaffinity(0))
    batches = batched(records)
    head = _small_head(batches) if workers > 1 else None
    if head is not None and head[1]:
        yield from _in_processes(chain(head[0], batches), task, workers)
        return
    encoder = task.encoder()
    for batch in chain(head[0] if head else (), batches):
        yield tokenise_batch(batch, task, encoder)


def batched(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Lists of up to BATCH_ROWS records and about BATCH_BYTES."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += record.size
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def tokenise_batch(records: list[Record], task: Task, encoder: Encoder) -> Tokenised:
    """One batch, parsed and encoded."""
    bad = BadRows()
    rows = list(read_records(iter(records), FORMATS[task.format].parse, task.on_bad_row, bad))
    encoded = encoder.rows(rows)
    read = len(encoded)
    if task.long_rows == "drop":
        encoded = [sequences for sequences in encoded if not any(sequence.cut for sequence in sequences)]
    kept = [[sequence for sequence in sequences if sequence.teaches] for sequences in encoded]
    sequences: list[Encoded] = list(chain.from_iterable(kept))
    trained = np.fromiter(chain.from_iterable(s.trained for s in sequences), dtype=np.bool_)
    lengths = np.array([len(s.input_ids) for s in sequences], dtype=np.int64)
    cuts = [sequence.cut for sequence in chain.from_iterable(encoded) if sequence.cut]
    return Tokenised(
        tokens=np.fromiter(chain.from_iterable(s.input_ids for s in sequences), dtype=np.int32),
        trained=trained,
        lengths=lengths,
        read=len(records),
        kept=sum(1 for row in kept if row),
        truncated=len(cuts),
        tokens_cut=sum(cuts),
        dropped=sum(1 for row in kept if not row),
        too_long=read - len(encoded),
        labelled=int(trained.sum()) - sum(s.trained[0] for s in sequences),
        bad=bad,
        size=sum(record.size for record in records),
    )


def _small_head(batches: Iterator[list[Record]]) -> tuple[list[list[Record]], bool]:
    """The first batches, and whether they are too many rows or bytes for one process."""
    head: list[list[Record]] = []
    rows = size = 0
    for batch in batches:
        head.append(batch)
        rows += len(batch)
        size += sum(record.size for record in batch)
        if rows >= SMALL_ROWS or size >= SMALL_BYTES:
            return head, True
    return head, False


def _in_processes(batches: Iterable[list[Record]], task: Task, workers: int) -> Iterator[Tokenised]:
    # Not fork: the parent may hold threads and a CUDA context, neither of which survives it.
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(task,))
    waiting: deque = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(_work, batch))
            # Enough ahead to keep everyone busy, few enough that memory does not grow with the data.
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start(task: Task) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    global _state
    _state = task, task.encoder()


def _work(records: list[Record]) -> Tokenised:
    task, encoder = _state
    return tokenise_batch(records, task, encoder)
