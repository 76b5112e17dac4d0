"""Conversations as a folder that stock XTuner reads: `load_from_disk`, then `openai_map_fn`."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from ftcore.data.sources import Row

ARROW_FILE = "data-00000-of-00001.arrow"
ROWS_A_BATCH = 1_000


def write_messages(folder: Path, rows: Iterable[Row], fingerprint: str) -> int:
    """Writes the rows as a datasets folder with the one column `messages`; returns how many there are.

    messages: a list of {"role": string, "content": string, "loss": bool}. The types are stated, so that no
    `loss` becomes null (which XTuner takes for False). Rows are streamed, and equal rows and fingerprint
    make equal bytes: `fingerprint` stands where datasets would put a random one.
    """
    import pyarrow as pa
    from datasets import DatasetInfo, Features, Value

    message = {"role": Value("string"), "content": Value("string"), "loss": Value("bool")}
    features = Features({"messages": [message]})
    schema = features.arrow_schema
    count = 0
    with pa.OSFile(str(folder / ARROW_FILE), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in _batches(rows):
            messages = [[asdict(message) for message in row.messages] for row in batch]
            writer.write_batch(pa.record_batch([pa.array(messages, schema.field(0).type)], schema=schema))
            count += len(batch)
    DatasetInfo(features=features).write_to_directory(str(folder))
    state = {
        "_data_files": [{"filename": ARROW_FILE}], "_fingerprint": fingerprint, "_format_columns": None,
        "_format_kwargs": {}, "_format_type": None, "_output_all_columns": False, "_split": None,
    }  # fmt: skip
    (folder / "state.json").write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    return count


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    stream = iter(rows)
    while batch := list(islice(stream, ROWS_A_BATCH)):
        yield batch
