"""Text that a model was not tuned on, to see what tuning made it forget."""

import hashlib
import importlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path

from ftcore.config.errors import WorkError

PYTHON_REFERENCE = "python_reference"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Documents in order; `name` is for people, `sha256` of all documents, a NUL between two."""

    name: str
    sha256: str
    documents: tuple[str, ...]


def read(text: str) -> HeldOut:
    """The text that `evaluation.perplexity.text` names.

    `python_reference` is CPython's language reference as `help()` shows it: English prose about Python, which
    every interpreter brings along, so nothing has to be fetched. Most base models have read it, which does no
    harm: what counts is how much worse the tuned one foresees it. WorkError where a file cannot be read.
    """
    if text == PYTHON_REFERENCE:
        topics = importlib.import_module("pydoc_data.topics").topics
        return _held_out(
            f"Python {platform.python_version()} reference", [topics[key] for key in sorted(topics)]
        )
    path = Path(text).expanduser()
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WorkError(f"evaluation.perplexity.text: {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise WorkError(f"evaluation.perplexity.text: {path} is not UTF-8: byte {error.start}") from None
    documents = _rows(path, content) if path.suffix == ".jsonl" else [content]
    documents = [one for one in documents if one.strip()]
    if not documents:
        raise WorkError(f"evaluation.perplexity.text: {path} holds no text")
    return _held_out(path.name, documents)


def _held_out(name: str, documents: list[str]) -> HeldOut:
    digest = hashlib.sha256("\0".join(documents).encode()).hexdigest()
    return HeldOut(name, digest, tuple(documents))


def _rows(path: Path, content: str) -> list[str]:
    rows = []
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line)["text"])
        except (ValueError, KeyError, TypeError):
            rows.append(None)
        if not isinstance(rows[-1], str):
            raise WorkError(f'evaluation.perplexity.text: {path}, line {number}: not {{"text": ...}}')
    return rows
