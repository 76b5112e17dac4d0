"""Rows to token ids and loss masks, token for token as XTuner 0.2.0 makes them.

Mirrors `openai_map_fn`, `template_map_fn` and `encode_fn` (xtuner/dataset), with two things stated that
XTuner guesses: whether a conversation starts with a bos token, and which turns carry the loss.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise

from ftcore.data.errors import DataError
from ftcore.data.sources.rows import Document, Message, Row
from ftcore.data.templates import Template
from ftcore.data.tokenizer import Encode

IGNORE_INDEX = -100
BOS, EOS = "bos", "eos"


@dataclass(frozen=True, slots=True)
class Piece:
    """A text tokenised by itself, or (`special`) the bos or eos token; `trained`: it carries the loss."""

    text: str
    trained: bool
    special: str | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row's tokens.

    input_ids: token ids; trained: which of them carry the loss, same length.
    cut: tokens that `max_length` took off the end.
    """

    input_ids: list[int]
    trained: list[bool]
    cut: int = 0

    @property
    def labels(self) -> list[int]:
        """input_ids where trained, IGNORE_INDEX elsewhere."""
        return [token if on else IGNORE_INDEX for token, on in zip(self.input_ids, self.trained, strict=True)]

    @property
    def teaches(self) -> bool:
        """Whether any label is left to predict: the first token of a row has nothing before it."""
        return any(self.trained[1:])


@dataclass(frozen=True, slots=True)
class Encoder:
    """Everything that decides a row's tokens but the row.

    encode: texts to ids without special tokens. bos_ids, eos_ids: empty where the tokenizer has none.
    """

    encode: Encode
    template: Template
    bos_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]
    max_length: int

    def rows(self, rows: Sequence[Row | Document]) -> list[list[Encoded]]:
        """For each row its sequences: one for a conversation, one or more for a document."""
        pieces = [document_pieces(row) if isinstance(row, Document) else render(row.messages, self.template)
                  for row in rows]  # fmt: skip
        # Separators and system prompts recur from row to row.
        texts = list(dict.fromkeys(piece.text for row in pieces for piece in row if not piece.special))
        ids = dict(zip(texts, self.encode(texts), strict=True))
        return [
            chunks(self._joined(parts, ids), self.max_length) if isinstance(row, Document)
            else [truncated(self._joined(parts, ids), self.max_length)]
            for row, parts in zip(rows, pieces, strict=True)
        ]  # fmt: skip

    def _joined(self, pieces: Sequence[Piece], ids: dict[str, list[int]]) -> Encoded:
        tokens: list[int] = []
        trained: list[bool] = []
        for piece in pieces:
            if piece.special == EOS and not self.eos_ids:
                raise DataError("the tokenizer has no end-of-sequence token, which every text here ends with")
            part = {None: ids.get(piece.text, ()), BOS: self.bos_ids, EOS: self.eos_ids}[piece.special]
            tokens.extend(part)
            trained.extend([piece.trained] * len(part))
        return Encoded(tokens, trained)


def render(messages: Sequence[Message], template: Template) -> list[Piece]:
    """The pieces of a conversation under a prompt template.

    Leading assistant turns are left out, texts of consecutive user turns are joined, the last of several
    system texts before a reply is used, and what follows the last reply is left out: all as XTuner does.
    """
    exchanges = enumerate(_exchanges(messages))
    return [piece for index, exchange in exchanges for piece in _turn(index, exchange, template)]


def document_pieces(document: Document) -> list[Piece]:
    """A document between bos and eos, every token trained on."""
    return [Piece("", True, BOS), Piece(document.text, True), Piece("", True, EOS)]


def truncated(row: Encoded, max_length: int) -> Encoded:
    """The first `max_length` tokens, with the count of those cut."""
    cut = max(0, len(row.input_ids) - max_length)
    return Encoded(row.input_ids[:max_length], row.trained[:max_length], cut) if cut else row


def chunks(document: Encoded, max_length: int) -> list[Encoded]:
    """The document in order, in sequences of at most `max_length` tokens, none lost.

    No sequence but a whole document has a single token: alone it could not be predicted.
    """
    total = len(document.input_ids)
    edges = [*range(0, total, max_length), total]
    if total > max_length and total % max_length == 1:
        edges[-2] -= 1
    return [Encoded(document.input_ids[a:b], document.trained[a:b]) for a, b in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class _Exchange:
    system: str
    prompt: str
    reply: str
    loss: bool


def _exchanges(messages: Sequence[Message]) -> Iterator[_Exchange]:
    system = prompt = ""
    for message in dropwhile(lambda message: message.role == "assistant", messages):
        if message.role == "system":
            system = message.content
        elif message.role == "user":
            prompt += message.content
        else:
            yield _Exchange(system, prompt, message.content, message.loss)
            system = prompt = ""


def _turn(index: int, exchange: _Exchange, template: Template) -> Iterator[Piece]:
    text = template["INSTRUCTION"].format(input=exchange.prompt, round=index + 1)
    if exchange.system:
        if "SYSTEM" not in template:
            raise DataError("model.template has no place for a system text, and the data has one")
        text = template["SYSTEM"].format(system=exchange.system) + text
    ends_itself = template.get("SUFFIX_AS_EOS", False)
    # XTuner sets a new bos after every eos token; a suffix that takes the place of eos is followed by none.
    if index == 0 or not ends_itself:
        yield Piece("", False, BOS)
    yield Piece(text, False)
    yield Piece(exchange.reply + (template.get("SUFFIX") or ""), exchange.loss)
    if not ends_itself:
        yield Piece("", exchange.loss, EOS)
    if separator := template.get("SEP", ""):
        yield Piece(separator, False)
