"""Chat files in OpenAI's form: {"messages": [{"role", "content", "loss"?}]}, as JSON lines or one JSON list.

Roles are system, user and assistant. A `tool` turn, or an assistant turn that holds `tool_calls` in place of
text, is refused: XTuner's prompt templates have no form for it and stock XTuner stops at it, so reading it
here would make two different trainings out of one configuration.
"""

from ftcore.data.errors import RowError
from ftcore.data.sources.rows import Record, Row, conversation, json_object

SUFFIXES = (".jsonl", ".json")


def parse(record: Record) -> Row:
    """The conversation of one line; RowError says what is wrong with it."""
    row = json_object(record)
    for index, turn in enumerate(row.get("messages") or ()):
        if isinstance(turn, dict) and turn.get("tool_calls"):
            raise RowError(f"messages[{index}]: 'tool_calls' has no form in a template; write calls as text")
    return conversation(row, "messages", record.place)
