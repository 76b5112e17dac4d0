"""The training data that an experiment asks for: which files, which rows of them, and what decides both."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftcore.config.schema import Data, Evaluation
from ftcore.data import bfcl
from ftcore.data.errors import DataError
from ftcore.data.fingerprints import Fingerprint, fingerprints
from ftcore.data.sources import FORMATS, function_calls
from ftcore.data.sources.files import data_files, json_records
from ftcore.data.sources.function_calls import Questions
from ftcore.data.sources.rows import Record


@dataclass(frozen=True, slots=True)
class Source:
    """Files (or BFCL questions), and how many rows are drawn from them by which seed.

    max_rows None takes every row in order.
    """

    format: str
    fingerprints: tuple[Fingerprint, ...]
    questions: Questions | None
    max_rows: int | None
    seed: int

    @property
    def held_out(self) -> int:
        """Rows left out because the evaluation asks the same question."""
        return self.questions.held_out if self.questions else 0

    def deciding(self) -> dict[str, Any]:
        """What decides the rows and their order: contents, never paths."""
        content = [file.sha256 for file in self.fingerprints]
        if self.questions:
            # The wording of a conversation is ftcore's own, so the files alone do not decide it.
            content = [hashlib.sha256(b"\n".join(self.questions.rows)).hexdigest()]
        return {
            "format": self.format, "content": content, "max_rows": self.max_rows,
            "seed": self.seed if self.max_rows else None,
        }  # fmt: skip

    def manifest(self) -> list[dict[str, Any]]:
        """The files as a manifest names them: path, sha256, bytes."""
        return [asdict(file) for file in self.fingerprints]

    def records(self) -> Iterator[Record]:
        """Every record, in the order of files and lines."""
        if self.questions:
            return function_calls.records(self.questions)
        read = getattr(FORMATS[self.format], "records", json_records)
        return read([Path(file.path) for file in self.fingerprints])

    def drawn(self) -> tuple[Iterator[Record], int]:
        """The records to train on, in order, and the bytes they stand for.

        With `max_rows` the source is read twice: once to count, then to yield those drawn.
        """
        if self.max_rows is None:
            sizes = map(len, self.questions.rows) if self.questions else (f.bytes for f in self.fingerprints)
            return self.records(), sum(sizes)
        sizes = [record.size for record in self.records()]
        count = min(self.max_rows, len(sizes))
        chosen = sorted(random.Random(self.seed).sample(range(len(sizes)), count))
        return _picked(self.records(), chosen), sum(sizes[index] for index in chosen)


def open_source(data: Data, evaluation: Evaluation, seed: int, cache_dir: Path) -> Source:
    """The source with its files found and fingerprinted; DataError where they are not there."""
    if data.format == "function_calls":
        asked = (*evaluation.categories, *evaluation.refusal_categories)
        asked = asked if evaluation.kind == "function_calls" else ()
        questions = function_calls.load(data.categories, asked, seed)
        files = [path for category in data.categories for path in _bfcl_files(category)]
    else:
        if data.path is None:
            raise DataError(f"data.path is null, and no package ships data of format {data.format}")
        questions = None
        files = data_files(data.path, FORMATS[data.format].SUFFIXES)
    return Source(data.format, tuple(fingerprints(files, cache_dir)), questions, data.max_rows, seed)


def _bfcl_files(category: str) -> list[Path]:
    name = f"BFCL_v4_{category}.json"
    folder = bfcl.data_folder()
    return [path for path in (folder / name, folder / "possible_answer" / name) if path.exists()]


def _picked(records: Iterator[Record], chosen: list[int]) -> Iterator[Record]:
    wanted = iter(chosen)
    following = next(wanted, None)
    for index, record in enumerate(records):
        if following is None:
            return
        if index == following:
            yield record
            following = next(wanted, None)
