"""MOSS conversations (https://huggingface.co/datasets/fnlp/moss-003-sft-data), with tools or without.

Rows are {"meta_instruction", "num_turns", "chat": {"turn_1": {"Human", "Tool Responses"?, "MOSS", ...}}}; the
texts hold MOSS's own markers. Equal to `MOSSSFTDataset` of XTuner 0.2.0, but for rows that lack a turn:
XTuner leaves those out in silence, here they are bad rows.
"""

from typing import Any

from ftcore.data.errors import RowError
from ftcore.data.sources.fields import json_name, json_object, row_id, text_field
from ftcore.data.sources.rows import Quoted, Record, Script

NAME = "MOSS"
QUOTED = "Tool Responses"
HEAD, TAIL = "<|Results|>:", "<eor>\n"


def parse(record: Record) -> Script:
    """One conversation; RowError says what is wrong with it."""
    row = json_object(record)
    chat = row.get("chat")
    if not isinstance(chat, dict):
        raise RowError(f"'chat' must be an object of turns, it is a {json_name(chat)}")
    turns = tuple(_turn(chat, f"turn_{number}") for number in range(1, _count(row) + 1))
    return Script(row_id(row, record.place), text_field(row, "meta_instruction"), turns, NAME)


def _count(row: dict[str, Any]) -> int:
    value = row.get("num_turns")
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise RowError(f"'num_turns' must be a number, it is {value!r}") from error


def _turn(chat: dict[str, Any], name: str) -> tuple[str | Quoted, ...]:
    turn = chat.get(name)
    if not isinstance(turn, dict):
        raise RowError(f"chat: {name!r} must be an object, it is a {json_name(turn)}")
    for key, text in turn.items():
        if not isinstance(text, str) or not text:
            raise RowError(f"chat: {name}[{key!r}] must be a text that is not empty")
    return tuple(Quoted(text, HEAD, TAIL) if key == QUOTED else text for key, text in turn.items())
