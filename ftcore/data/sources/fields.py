"""Checks that the readers share: what may stand in a row, and what is said where it does not."""

import codecs
import json
from collections.abc import Iterator
from typing import Any

from ftcore.data.errors import RowError
from ftcore.data.sources.rows import Message, Record, Row

ROLES = ("system", "user", "assistant")


def json_object(record: Record) -> dict[str, Any]:
    """The record's JSON object; RowError where it is not JSON, or another type."""
    value = json_value(record)
    if not isinstance(value, dict):
        raise RowError(f"a row must be a JSON object, this is a {json_name(value)}")
    return value


def json_value(record: Record) -> Any:
    """The record's JSON; RowError for a BOM, bad UTF-8, bad JSON or a lone surrogate."""
    value = record.payload
    if isinstance(value, bytes):
        text = decoded(value)
        try:
            value = json.loads(text)
        except ValueError as error:
            raise RowError(f"invalid JSON: {error}") from error
        except RecursionError as error:
            raise RowError("invalid JSON: nested too deeply") from error
        if "\\ud" in text or "\\uD" in text:
            _refuse_surrogates(value)
    return value


def decoded(raw: bytes) -> str:
    """UTF-8 text without a byte-order mark; RowError otherwise."""
    if raw.startswith(codecs.BOM_UTF8):
        raise RowError("starts with a byte-order mark; save the file as UTF-8 without one")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError(f"not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}") from error


def conversation(row: dict[str, Any], key: str, place: str) -> Row:
    """A row whose `key` holds [{"role", "content", "loss"?}, ...].

    `loss` absent or null means True for assistant turns; on other roles it is ignored, because no
    prompt template trains on them. Without an "id" the place stands in for it.
    """
    turns = list_field(row, key)
    if not turns:
        raise RowError(f"{key!r} is empty")
    messages = tuple(_message(turn, f"{key}[{index}]") for index, turn in enumerate(turns))
    if not any(message.role == "assistant" for message in messages):
        raise RowError("no assistant turn")
    return Row(row_id(row, place), messages)


def row_id(row: dict[str, Any], place: str) -> str:
    """The row's own "id" as text, or its place."""
    value = row.get("id")
    if value is None:
        return place
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowError(f"'id' must be a string or an integer, it is a {json_name(value)}")
    return str(value)


def text_field(row: dict[str, Any], key: str, default: str | None = None) -> str:
    """A string under `key`; `default` where it is absent, RowError where there is none."""
    value = row.get(key, default)
    if value is None and key not in row:
        raise RowError(f"no {key!r}; the keys are {', '.join(map(repr, row)) or 'none'}")
    if not isinstance(value, str):
        raise RowError(f"{key!r} must be a string, it is a {json_name(value)}")
    return value


def list_field(row: dict[str, Any], key: str) -> list[Any]:
    """A list under `key`, which may be empty; RowError where there is none."""
    if key not in row:
        raise RowError(f"no {key!r}; the keys are {', '.join(map(repr, row)) or 'none'}")
    if not isinstance(row[key], list):
        raise RowError(f"{key!r} must be a list, it is a {json_name(row[key])}")
    return row[key]


def stated_loss(value: Any, what: str) -> bool:
    """true or false, also as text; null is true. RowError, naming `what`, for anything else."""
    if value is None or value is True or value is False:
        return value is not False
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise RowError(f"{what} must be true or false, it is {value!r}")


def json_name(value: Any) -> str:
    """What JSON calls the type of a value."""
    names = {dict: "object", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null" if value is None else type(value).__name__)


def _message(turn: Any, where: str) -> Message:
    if not isinstance(turn, dict):
        raise RowError(f"{where} must be an object, it is a {json_name(turn)}")
    role = turn.get("role")
    if role not in ROLES:
        hint = "; write tool results as user text" if role in ("tool", "function", "observation") else ""
        raise RowError(f"{where}: unknown role {role!r}, known are {', '.join(ROLES)}{hint}")
    content = turn.get("content")
    if not isinstance(content, str):
        raise RowError(f"{where}: 'content' must be a string, it is a {json_name(content)}")
    loss = stated_loss(turn.get("loss"), f"{where}: 'loss'")
    return Message(role, content, role == "assistant" and loss)


def _refuse_surrogates(value: Any) -> None:
    for text in _strings(value):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RowError(f"a lone surrogate \\u{ord(text[error.start]):04x}: not text") from error


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
