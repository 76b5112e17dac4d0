"""Rows to token ids and loss masks, token for token as XTuner 0.2.0 makes them.

Mirrors `openai_map_fn`, `template_map_fn`, `encode_fn` and `MOSSSFTDataset` (xtuner/dataset); which turns
carry the loss is stated where XTuner guesses it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, dropwhile, pairwise, takewhile

from ftcore.data.errors import DataError
from ftcore.data.sources.rows import AnyRow, Document, Message, Quoted, Row, Script, Tokens
from ftcore.data.templates import Template
from ftcore.data.tokenizer import Encode

IGNORE_INDEX = -100
BOS, EOS, FRAMED = "bos", "eos", "framed"


@dataclass(frozen=True, slots=True)
class Piece:
    """A text tokenised by itself; `trained`: it carries the loss.

    special: BOS or EOS for that token in place of a text, FRAMED for a text that the tokenizer puts its own
    special tokens round. quoted: only as many tokens at its ends as these two texts have carry the loss.
    """

    text: str
    trained: bool
    special: str | None = None
    quoted: tuple[str, str] | None = None


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

    encode: texts to ids, without or with special tokens. bos_ids, eos_ids: empty where the tokenizer has
    none. vocabulary: token ids lie below it (asked only of rows that come as tokens).
    """

    encode: Encode
    template: Template
    bos_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]
    max_length: int
    bot_name: str | None = None
    vocabulary: int = 2**31

    def rows(self, rows: Sequence[AnyRow]) -> list[list[Encoded]]:
        """For each row its sequences: one, or more where it may be divided (documents, some tokens)."""
        parts = [self._parts(row) for row in rows]
        ids = self._ids(piece for row in parts for part in row for piece in part)
        encoded = ([self._joined(part, ids) for part in row] for row in parts)
        return [self._sequences(row, joined) for row, joined in zip(rows, encoded, strict=True)]

    def _parts(self, row: AnyRow) -> list[list[Piece]]:
        """The pieces of a row: one list, or, for a script, the opening's and one each turn."""
        match row:
            case Tokens():
                return []
            case Document():
                return [document_pieces(row)]
            case Script():
                return script_pieces(row, self.bot_name)
            case Row():
                return [render(row.messages, self.template, self.bot_name)]

    def _ids(self, pieces: Iterable[Piece]) -> dict[tuple[str, bool], list[int]]:
        # Separators and system prompts recur from row to row.
        wanted: dict[tuple[str, bool], None] = {}
        for piece in pieces:
            if piece.special in (None, FRAMED):
                wanted[piece.text, piece.special == FRAMED] = None
            wanted.update(dict.fromkeys((text, False) for text in piece.quoted or ()))
        found: dict[tuple[str, bool], list[int]] = {}
        for framed in (False, True):
            texts = [text for text, with_special in wanted if with_special == framed]
            if texts:
                found.update(zip(((text, framed) for text in texts), self.encode(texts, framed), strict=True))
        return found

    def _joined(self, pieces: Sequence[Piece], ids: dict[tuple[str, bool], list[int]]) -> Encoded:
        tokens: list[int] = []
        trained: list[bool] = []
        for piece in pieces:
            match piece.special:
                case "bos":
                    part: Sequence[int] = self.bos_ids
                case "eos":
                    part = self.eos_ids
                    if not part:
                        raise DataError(
                            "the tokenizer has no end-of-sequence token, which every text here ends with"
                        )
                case other:
                    part = ids[piece.text, other == FRAMED]
            on = [piece.trained] * len(part)
            if piece.quoted:
                head, tail = (len(ids[text, False]) for text in piece.quoted)
                for inside in range(head, len(on) - tail):
                    on[inside] = False
            tokens.extend(part)
            trained.extend(on)
        return Encoded(tokens, trained)

    def _sequences(self, row: AnyRow, parts: list[Encoded]) -> list[Encoded]:
        match row:
            case Tokens():
                largest = max(row.input_ids)
                if largest >= self.vocabulary:
                    raise DataError(f"{row.id}: token {largest} is none of the tokenizer's {self.vocabulary}")
                encoded = Encoded(row.input_ids, row.trained)
                return (chunks if row.divisible else _alone)(encoded, self.max_length)
            case Document():
                return chunks(parts[0], self.max_length)
            case Script():
                return [whole_turns(parts, self.max_length)]
            case Row():
                return _alone(parts[0], self.max_length)


def render(messages: Sequence[Message], template: Template, bot_name: str | None = None) -> list[Piece]:
    """The pieces of a conversation under a prompt template, which may name `{bot_name}`.

    Leading assistant turns are left out, texts of consecutive user turns are joined, the last of several
    system texts before a reply is used, and what follows the last reply is left out: all as XTuner does.
    """
    exchanges = enumerate(_exchanges(messages))
    return [piece for index, exchange in exchanges for piece in _turn(index, exchange, template, bot_name)]


def document_pieces(document: Document) -> list[Piece]:
    """A document between bos and eos, every token trained on."""
    return [Piece("", True, BOS), Piece(document.text, True), Piece("", True, EOS)]


def script_pieces(script: Script, bot_name: str | None) -> list[list[Piece]]:
    """The pieces of the opening, then those of each turn, with the assistant called by its name."""

    def named(text: str) -> str:
        return text if bot_name is None else text.replace(script.stands_for, bot_name)

    turns = [
        [Piece(named(said.text), True, None, (said.head, said.tail)) if isinstance(said, Quoted)
         else Piece(named(said), True) for said in turn]
        for turn in script.turns
    ]  # fmt: skip
    return [[Piece(named(script.opening), False, FRAMED)], *turns]


def whole_turns(parts: Sequence[Encoded], max_length: int) -> Encoded:
    """The opening and as many of the first turns as fit whole; nothing at all where not one does."""
    ends = list(accumulate(len(part.input_ids) for part in parts))
    fitting = len(list(takewhile(lambda end: end <= max_length, ends[1:])))
    kept = parts[: fitting + 1] if fitting else ()
    tokens = [token for part in kept for token in part.input_ids]
    return Encoded(tokens, [on for part in kept for on in part.trained], ends[-1] - len(tokens))


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


def _alone(row: Encoded, max_length: int) -> list[Encoded]:
    return [truncated(row, max_length)]


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


def _turn(index: int, exchange: _Exchange, template: Template, bot_name: str | None) -> Iterator[Piece]:
    # What is filled in is never itself filled: braces in data stay as they are.
    text = template["INSTRUCTION"].format(input=exchange.prompt, round=index + 1, bot_name=bot_name)
    if exchange.system:
        if "SYSTEM" not in template:
            raise DataError("model.template has no place for a system text, and the data has one")
        text = template["SYSTEM"].format(system=exchange.system, bot_name=bot_name) + text
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
