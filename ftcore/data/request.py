"""What is asked to be prepared: enough to know its key, without what writes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ftcore.data.source import Source

DATA_VERSION = 2
"""Raised whenever the same rows would come out as other tokens, samples or files."""

Report = Callable[[int, int | None, str], None]
"""Called with (done, total or None if unknown, unit)."""


@dataclass(frozen=True, slots=True)
class Request:
    """An experiment's data with everything looked up that decides its tokens.

    messages_keys: for each source by its name the key of its messages, None where it has none.
    """

    sources: tuple[Source, ...]
    template: dict[str, Any]
    tokenizer_sha256: str
    deciding: dict[str, Any]
    messages_keys: dict[str | None, str | None]
