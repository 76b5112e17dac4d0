"""Readers of training data.

A source is a stream of cheap `Record`s and a pure function that parses one of them into a `Row` (a
conversation), a `Document` (text), a `Script` (a conversation with markers of its own) or `Tokens`, so that
records can be parsed in other processes than the one that reads the files.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ftcore.data.errors import DataError, RowError
from ftcore.data.sources import (
    agent_flan,
    alpaca,
    function_calls,
    moss,
    msagent,
    openai,
    text,
    tokens,
    turns,
    xtuner_forms,
)
from ftcore.data.sources.files import json_records, line_records
from ftcore.data.sources.rows import AnyRow, Document, Message, Record, Row, Script, Tokens

__all__ = [
    "FORMATS", "AnyRow", "BadRows", "Document", "Format", "Message", "Record", "Row", "Script", "Tokens",
    "read_records",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
    """How rows of one form are found and read.

    parse: one record to a row; RowError where it is bad. suffixes: which files of a folder are data.
    deep: whether folders inside the folder are searched too. records: the records of files, in order.
    """

    parse: Callable[[Record], AnyRow]
    suffixes: tuple[str, ...] = (".json", ".jsonl")
    deep: bool = False
    records: Callable[[Sequence[Path]], Iterator[Record]] = json_records


FORMATS: dict[str, Format] = {
    "function_calls": Format(function_calls.parse),
    "agent_flan": Format(agent_flan.parse, (".jsonl",)),
    "openai": Format(openai.parse),
    "conversation": Format(turns.parse_conversation),
    "text": Format(text.parse, (".json", ".jsonl", ".txt"), records=text.records),
    "tokens": Format(tokens.parse),
    # A line of these is a list itself, which `json_records` would take for the list of all rows.
    "intern_messages": Format(openai.parse_list, (".json",), deep=True, records=line_records),
    "intern_tokens": Format(tokens.parse_intern, (".bin",), deep=True, records=line_records),
    "alpaca": Format(alpaca.parse),
    "moss": Format(moss.parse),
    "msagent_react": Format(msagent.parse),
    "oasst1": Format(turns.parse_oasst1),
    "wizardlm": Format(turns.parse_wizardlm),
    **{name: Format(xtuner_forms.parser(name)) for name in xtuner_forms.TABLE},
}
"""Every `ftcore.config.schema.data.Format` by its name."""

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
    records: Iterator[Record], parse: Callable[[Record], AnyRow], on_bad_row: str, bad: BadRows
) -> Iterator[AnyRow]:
    """Parsed rows in order. A bad one raises DataError with its place, or with "skip" goes into `bad`."""
    for record in records:
        try:
            yield parse(record)
        except RowError as error:
            reason = f"{record.place}: {error}"
            if on_bad_row == "error":
                raise DataError(reason) from error
            bad.add(reason)
