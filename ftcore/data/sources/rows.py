"""What every source yields."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; `loss` says whether its tokens are trained on (assistant turns only)."""

    role: str
    content: str
    loss: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation."""

    id: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One text of a pretraining corpus."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """A row that comes as tokens; `trained` says which of them carry the loss, same length.

    divisible: where it is too long it becomes several sequences, as a document does.
    """

    id: str
    input_ids: list[int]
    trained: list[bool]
    divisible: bool


@dataclass(frozen=True, slots=True)
class Quoted:
    """A text whose inside is not the assistant's: of `text` only the tokens at both ends carry the loss,
    as many as `head` and `tail` have."""

    text: str
    head: str
    tail: str


@dataclass(frozen=True, slots=True)
class Script:
    """A conversation whose texts hold their own markers, so that no template is put round them.

    opening: text without loss, encoded with the tokenizer's special tokens. turns: each the texts of one
    turn, all with loss but the inside of a Quoted; a turn is trained on whole or not at all.
    stands_for: what the texts call the assistant, to be replaced by `model.bot_name` where that is set.
    """

    id: str
    opening: str
    turns: tuple[tuple[str | Quoted, ...], ...]
    stands_for: str


AnyRow = Row | Document | Tokens | Script


@dataclass(frozen=True, slots=True)
class Record:
    """A row not yet read: cheap to make in the reading process, parsed where rows are tokenised.

    payload: the bytes of one line, the object of a JSON list, or None for a file that is one row.
    size: bytes of the source that the record stands for.
    """

    file: str
    line: int
    payload: Any
    size: int

    @property
    def place(self) -> str:
        """`file, line n`, for messages."""
        return f"{self.file}, line {self.line}"
