"""Alpaca's {"instruction", "input"?, "output"}, as one JSON list or JSON lines.

The prompt is XTuner's `alpaca_map_fn`: instruction, a line break, input (which may be empty).
"""

from ftcore.data.sources.fields import json_object, row_id, text_field
from ftcore.data.sources.rows import Message, Record, Row

NO_OUTPUT = "<nooutput>"


def parse(record: Record) -> Row:
    """One exchange. An output of `<nooutput>` is not trained on, so the row is dropped and counted later."""
    row = json_object(record)
    prompt = f"{text_field(row, 'instruction')}\n{text_field(row, 'input', default='')}"
    output = text_field(row, "output")
    messages = (Message("user", prompt, False), Message("assistant", output, output != NO_OUTPUT))
    return Row(row_id(row, record.place), messages)
