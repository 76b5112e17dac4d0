"""Readers of training data, one module a format.

A source is a stream of cheap `Record`s and a pure function that parses one of them into a `Row` (a
conversation) or a `Document` (text), so that records can be parsed in other processes than the one that
reads the files.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType

from ftcore.data.errors import DataError, RowError
from ftcore.data.sources import agent_flan, alpaca, function_calls, openai, text
from ftcore.data.sources.rows import Document, Message, Record, Row

__all__ = ["FORMATS", "BadRows", "Document", "Message", "Record", "Row", "read_records"]

FORMATS: dict[str, ModuleType] = {
    "function_calls": function_calls,
    "agent_flan": agent_flan,
    "openai": openai,
    "alpaca": alpaca,
    "text": text,
}

REASONS_KEPT = 5


@dataclass(slots=True)
class BadRows:
    """Rows that could not be read: all of them counted, the first few explained."""

    count: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, reason: str) -> None:
        """Counts one row."""
        self.count += 1
        if len(self.reasons) < REASONS_KEPT:
            self.reasons.append(reason)

    def extend(self, later: "BadRows") -> None:
        """Counts the rows of a later part of the data."""
        self.count += later.count
        self.reasons += later.reasons[: REASONS_KEPT - len(self.reasons)]


def read_records(
    records: Iterator[Record], parse: Callable[[Record], Row | Document], on_bad_row: str, bad: BadRows
) -> Iterator[Row | Document]:
    """Parsed rows in order. A bad one raises DataError with its place, or with "skip" goes into `bad`."""
    for record in records:
        try:
            yield parse(record)
        except RowError as error:
            reason = f"{record.place}: {error}"
            if on_bad_row == "error":
                raise DataError(reason) from error
            bad.add(reason)
