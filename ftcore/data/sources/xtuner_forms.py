"""Rows of one question and one answer under the column names of public datasets, in a table.

Each form equals the map function of its name in XTuner 0.2.0 (xtuner/dataset/map_fns/dataset_map_fns).
"""

from collections.abc import Callable
from dataclasses import dataclass

from ftcore.config.xtuner.system_texts import SYSTEM_TEXTS
from ftcore.data.sources.fields import json_object, row_id, text_field
from ftcore.data.sources.rows import Message, Record, Row


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a row holds what.

    prompt: columns joined by a line break; reply: the column that is trained on.
    system: a name in SYSTEM_TEXTS, or None; system_column: a column with the row's own, null for none.
    """

    prompt: tuple[str, ...]
    reply: str
    system: str | None = None
    system_column: str | None = None


TABLE = {
    "alpaca_zh": Columns(("instruction_zh", "input_zh"), "output_zh"),
    "arxiv": Columns(("abstract",), "title", "arxiv_gentile"),
    "code_alpaca": Columns(("prompt",), "completion", "coder"),
    "colors": Columns(("description",), "color", "colorist"),
    "crime_kg_assitant": Columns(("input",), "output", "lawyer"),
    "law_reference": Columns(("question",), "answer", "lawyer"),
    "medical": Columns(("instruction", "input"), "output", "medical"),
    "openorca": Columns(("question",), "response", system_column="system_prompt"),
    "sql": Columns(("context", "question"), "answer", "sql"),
    "stack_exchange": Columns(("question",), "response"),
    "tiny_codes": Columns(("prompt",), "response", "coder"),
}


def parser(name: str) -> Callable[[Record], Row]:
    """The parse function of a form in TABLE; it raises RowError for a column that is missing or no text."""
    columns = TABLE[name]
    prompt_of = after_colon if name == "colors" else str

    def parse(record: Record) -> Row:
        row = json_object(record)
        system = SYSTEM_TEXTS[columns.system] if columns.system else ""
        if columns.system_column and row.get(columns.system_column, "") is not None:
            system = text_field(row, columns.system_column)
        prompt = prompt_of("\n".join(text_field(row, column) for column in columns.prompt))
        reply = text_field(row, columns.reply)
        turns = (Message("user", prompt, False), Message("assistant", reply, True))
        return Row(row_id(row, record.place), (Message("system", system, False), *turns) if system else turns)

    return parse


def after_colon(description: str) -> str:
    """A colour's description without the name before its first colon."""
    return description.partition(":")[2].strip()
