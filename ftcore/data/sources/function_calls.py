"""The Berkeley Function-Calling Leaderboard as training conversations, less what the evaluation asks."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ftcore.data import bfcl
from ftcore.data.errors import DataError
from ftcore.data.sources.rows import Record, Row, conversation, json_object


@dataclass(frozen=True, slots=True)
class Questions:
    """Conversations as bytes of JSON, and how many were left out because the evaluation asks them."""

    rows: tuple[bytes, ...]
    held_out: int


def load(categories: Sequence[str], held_out: Sequence[str]) -> Questions:
    """The cases of `categories` in order; DataError where data is missing or a category is in both."""
    if not categories:
        raise DataError("data.categories is empty: name the BFCL categories to train on")
    try:
        kept = bfcl.training_cases(categories, held_out)
    except bfcl.BfclError as error:
        raise DataError(str(error)) from error
    rows = (json.dumps(bfcl.conversation(case), ensure_ascii=False).encode() for case in kept.cases)
    return Questions(tuple(rows), len(kept.dropped))


def records(questions: Questions) -> Iterator[Record]:
    """One record a conversation."""
    for number, raw in enumerate(questions.rows, start=1):
        yield Record("bfcl", number, raw, len(raw))


def parse(record: Record) -> Row:
    """The conversation of one case."""
    return conversation(json_object(record), "conversation", record.place)
