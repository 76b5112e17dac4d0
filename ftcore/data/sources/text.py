"""Pretraining text: {"text"} in JSON lines or a JSON list, or .txt files that are one document each.

As in XTuner's `pretrain_map_fn`, white space around a document is not part of it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ftcore.data.errors import RowError
from ftcore.data.sources.fields import decoded, json_object, row_id, text_field
from ftcore.data.sources.files import json_records
from ftcore.data.sources.rows import Document, Record


def records(files: Sequence[Path]) -> Iterator[Record]:
    """A record a line, or a file; a .txt file is only read where it is parsed."""
    for path in files:
        if path.suffix == ".txt":
            yield Record(str(path), 1, None, path.stat().st_size)
        else:
            yield from json_records([path])


def parse(record: Record) -> Document:
    """One document; RowError where it is empty or not text."""
    if record.payload is None:
        document = Document(record.file, decoded(Path(record.file).read_bytes()).strip())
    else:
        row = json_object(record)
        document = Document(row_id(row, record.place), text_field(row, "text").strip())
    if not document.text:
        raise RowError("the text is empty")
    return document
