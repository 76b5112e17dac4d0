"""A reply as it is made."""

from dataclasses import dataclass
from typing import Literal

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Further text of a reply; the last piece says why it ended, and what it took."""

    text: str
    finish_reason: Finish | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
