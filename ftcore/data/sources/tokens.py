"""Rows that come tokenised: {"input_ids", "labels"?}, and InternEvo's {"tokens"}."""

from typing import Any

from ftcore.data.errors import RowError
from ftcore.data.sources.fields import json_name, json_object, list_field
from ftcore.data.sources.rows import Record, Tokens

NO_LOSS = -100
LARGEST = 2**31 - 1


def parse(record: Record) -> Tokens:
    """One row; without labels every token carries the loss. RowError for what are no tokens or labels.

    A label is its own token or NO_LOSS: shifting them is the model's work, and other targets have no place
    in prepared data.
    """
    row = json_object(record)
    tokens = _integers(row, "input_ids")
    _refuse(next(((i, t) for i, t in enumerate(tokens) if not 0 <= t <= LARGEST), None), "input_ids")
    if row.get("labels") is None:
        return Tokens(record.place, tokens, [True] * len(tokens), divisible=False)
    labels = _integers(row, "labels")
    if len(labels) != len(tokens):
        raise RowError(f"{len(tokens)} 'input_ids' but {len(labels)} 'labels'")
    for index, (label, token) in enumerate(zip(labels, tokens, strict=True)):
        if label not in (token, NO_LOSS):
            raise RowError(f"labels[{index}] is {label}, neither its token {token} nor {NO_LOSS}")
    return Tokens(record.place, tokens, [label != NO_LOSS for label in labels], divisible=False)


def parse_intern(record: Record) -> Tokens:
    """One line of an InternEvo file: the sign of a token says whether it carries the loss, 0 does not.

    As in `JsonlDataset` (xtuner/dataset/intern_repo.py), which needs a `.meta` file beside each; here the
    lines are found by reading. A long row becomes several sequences, as it does in InternEvo's packing.
    """
    signed = _integers(json_object(record), "tokens")
    _refuse(next(((i, t) for i, t in enumerate(signed) if abs(t) > LARGEST), None), "tokens")
    return Tokens(record.place, list(map(abs, signed)), [token > 0 for token in signed], divisible=True)


def _integers(row: dict[str, Any], key: str) -> list[int]:
    values = list_field(row, key)
    if not values:
        raise RowError(f"{key!r} is empty")
    for index, value in enumerate(values):
        if type(value) is not int:
            raise RowError(f"{key}[{index}] must be an integer, it is a {json_name(value)}: {value!r}")
    return values


def _refuse(wrong: tuple[int, int] | None, key: str) -> None:
    if wrong is not None:
        raise RowError(f"{key}[{wrong[0]}] is {wrong[1]}, which is no token")
