"""Agent-FLAN (https://huggingface.co/datasets/internlm/Agent-FLAN): tool use as plain conversations.

JSON lines of {"conversation": [{"role", "content", "loss"?}], "id"}. Tool results arrive as user text.
"""

from ftcore.data.sources.fields import conversation, json_object
from ftcore.data.sources.rows import Record, Row


def parse(record: Record) -> Row:
    """The conversation of one line; RowError says what is wrong with it."""
    return conversation(json_object(record), "conversation", record.place)
