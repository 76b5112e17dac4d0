"""Chat files in OpenAI's form: {"messages": [{"role", "content", "loss"?}]}, as JSON lines or one JSON list.

Roles are system, user and assistant. A `tool` turn, or an assistant turn that holds `tool_calls` in place of
text, is refused: XTuner's prompt templates have no form for it and stock XTuner stops at it, so reading it
here would make two different trainings out of one configuration.
"""

from typing import Any

from ftcore.data.errors import RowError
from ftcore.data.sources.fields import conversation, json_name, json_object, json_value
from ftcore.data.sources.rows import Record, Row


def parse_list(record: Record) -> Row:
    """One line of an InternEvo chat file: [{"role", "content", "loss"?}], without a key before it."""
    messages = json_value(record)
    if not isinstance(messages, list):
        raise RowError(f"a row must be a JSON list of messages, this is a {json_name(messages)}")
    return _checked({"messages": messages}, record)


def parse(record: Record) -> Row:
    """The conversation of one line; RowError says what is wrong with it."""
    return _checked(json_object(record), record)


def _checked(row: dict[str, Any], record: Record) -> Row:
    messages = row.get("messages")
    for index, turn in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(turn, dict) and turn.get("tool_calls"):
            raise RowError(f"messages[{index}]: 'tool_calls' has no form in a template; write calls as text")
    return conversation(row, "messages", record.place)
