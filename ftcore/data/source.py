"""The training data that an experiment asks for: which files, which rows of them, and what decides both."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ftcore.config import schema
from ftcore.config.schema import Data, Evaluation
from ftcore.data import bfcl
from ftcore.data.errors import DataError
from ftcore.data.fingerprints import Fingerprint, fingerprints
from ftcore.data.hub import open_hub
from ftcore.data.sources import FORMATS, function_calls
from ftcore.data.sources.files import data_files
from ftcore.data.sources.function_calls import Questions
from ftcore.data.sources.rows import Record


class Origin(Protocol):
    """Where rows come from."""

    held_out: int
    """Rows left out because the evaluation asks the same question."""

    def content(self) -> list[Any]:
        """What decides the rows and their order: contents, never paths."""

    def manifest(self) -> list[dict[str, Any]]:
        """The files as a manifest names them: path, sha256, bytes."""

    def records(self) -> Iterator[Record]:
        """Every record, in order."""

    def sizes(self) -> list[int]:
        """Bytes of every record."""

    def total(self) -> int:
        """Bytes of all."""


@dataclass(frozen=True, slots=True)
class FileRows:
    """Rows of files, in the order of files and lines."""

    format: str
    fingerprints: tuple[Fingerprint, ...]
    held_out = 0

    def content(self) -> list[Any]:
        return [file.sha256 for file in self.fingerprints]

    def manifest(self) -> list[dict[str, Any]]:
        return [asdict(file) for file in self.fingerprints]

    def records(self) -> Iterator[Record]:
        return FORMATS[self.format].records([Path(file.path) for file in self.fingerprints])

    def sizes(self) -> list[int]:
        return [record.size for record in self.records()]

    def total(self) -> int:
        return sum(file.bytes for file in self.fingerprints)


@dataclass(frozen=True, slots=True)
class BfclRows:
    """Conversations made of BFCL's questions."""

    questions: Questions
    fingerprints: tuple[Fingerprint, ...]

    @property
    def held_out(self) -> int:
        return self.questions.held_out

    def content(self) -> list[Any]:
        # The wording of a conversation is ftcore's own, so the files alone do not decide it.
        return [hashlib.sha256(b"\n".join(self.questions.rows)).hexdigest()]

    def manifest(self) -> list[dict[str, Any]]:
        return [asdict(file) for file in self.fingerprints]

    def records(self) -> Iterator[Record]:
        return function_calls.records(self.questions)

    def sizes(self) -> list[int]:
        return list(map(len, self.questions.rows))

    def total(self) -> int:
        return sum(self.sizes())


@dataclass(frozen=True, slots=True)
class Source:
    """An origin, how its rows are read, and how many of them are drawn by which seed.

    name: the key under `data.mix`, None for the first source. max_rows None takes every row in order.
    """

    name: str | None
    format: str
    origin: Origin
    max_rows: int | None
    seed: int

    def deciding(self) -> dict[str, Any]:
        """What decides the rows and their order."""
        return {
            "format": self.format, "content": self.origin.content(), "max_rows": self.max_rows,
            "seed": self.seed if self.max_rows else None,
        }  # fmt: skip

    def drawn(self) -> tuple[Iterator[Record], int]:
        """The records to train on, in order, and the bytes they stand for.

        With `max_rows` the source is read twice: once to count, then to yield those drawn.
        """
        if self.max_rows is None:
            return self.origin.records(), self.origin.total()
        sizes = self.origin.sizes()
        count = min(self.max_rows, len(sizes))
        chosen = sorted(random.Random(self.seed).sample(range(len(sizes)), count))
        return _picked(self.origin.records(), chosen), sum(sizes[index] for index in chosen)


def open_sources(
    data: Data, evaluation: Evaluation, seed: int, cache_dir: Path, fetch: bool = True
) -> tuple[Source, ...]:
    """The sources in the order they are trained on, with their files found and fingerprinted.

    Without `fetch` nothing is downloaded. DataError where a source is not there.
    """
    asked = asked_of_bfcl(evaluation)
    return tuple(
        Source(
            key.removeprefix("mix.") or None, settings.format,
            _origin(settings, f"data.{key}".rstrip("."), asked, seed, cache_dir, fetch),
            settings.max_rows, seed,
        )
        for key, settings in data.sources().items()
    )  # fmt: skip


def asked_of_bfcl(evaluation: Evaluation) -> tuple[str, ...]:
    """The BFCL categories that the evaluation asks of, whose questions are not trained on."""
    if not evaluation.asks:
        return ()
    return (*evaluation.categories, *evaluation.refusal_categories)


def _origin(
    settings: schema.Source, key: str, asked: tuple[str, ...], seed: int, cache_dir: Path, fetch: bool
) -> Origin:
    if settings.format == "function_calls":
        if not settings.categories:
            raise DataError(f"{key}.categories is empty: name the BFCL categories to train on")
        questions = function_calls.load(settings.categories, asked, seed)
        files = [path for category in settings.categories for path in _bfcl_files(category)]
        return BfclRows(questions, tuple(fingerprints(files, cache_dir)))
    if settings.path is None:
        raise DataError(f"{key}.path is null, and no package ships data of format {settings.format}")
    if settings.hub is not None:
        return open_hub(settings, key, cache_dir, fetch)
    form = FORMATS[settings.format]
    files = data_files(settings.path, form.suffixes, form.deep)
    return FileRows(settings.format, tuple(fingerprints(files, cache_dir)))


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
