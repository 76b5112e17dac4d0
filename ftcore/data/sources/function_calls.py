"""The Berkeley Function-Calling Leaderboard as training conversations, less what the evaluation asks."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ftcore.data import bfcl, wording
from ftcore.data.bfcl import Case
from ftcore.data.errors import DataError
from ftcore.data.sources.fields import conversation, json_object
from ftcore.data.sources.rows import Record, Row


@dataclass(frozen=True, slots=True)
class Questions:
    """Conversations as bytes of JSON, and how many were left out because the evaluation asks them."""

    rows: tuple[bytes, ...]
    held_out: int


def load(categories: Mapping[str, int | None], held_out: Sequence[str], seed: int) -> Questions:
    """The cases of `categories` in order, of each as many as it says, drawn by `seed`; None is all.

    DataError where data is missing or a category is in both.
    """
    try:
        kept = _kept(tuple(categories), tuple(held_out))
    except bfcl.BfclError as error:
        raise DataError(str(error)) from error
    drawn = (case for name, count in categories.items() for case in _draw(kept.cases, name, count, seed))
    rows = (json.dumps(wording.conversation(case), ensure_ascii=False).encode() for case in drawn)
    return Questions(tuple(rows), len(kept.dropped))


@cache
def _kept(categories: tuple[str, ...], held_out: tuple[str, ...]) -> bfcl.TrainingSet:
    """Read once: the trials of a sweep may each draw others of the same cases."""
    return bfcl.training_cases(categories, held_out)


def _draw(cases: Sequence[Case], category: str, count: int | None, seed: int) -> list[Case]:
    there = [case for case in cases if case.category == category]
    if count is None or count >= len(there):
        return there
    chosen = sorted(random.Random(f"{seed} {category}").sample(range(len(there)), count))
    return [there[index] for index in chosen]


def records(questions: Questions) -> Iterator[Record]:
    """One record a conversation."""
    for number, raw in enumerate(questions.rows, start=1):
        yield Record("bfcl", number, raw, len(raw))


def parse(record: Record) -> Row:
    """The conversation of one case."""
    return conversation(json_object(record), "conversation", record.place)
