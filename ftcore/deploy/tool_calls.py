"""A reply in Thought / Action / Action Input form as OpenAI's tool calls, whole or as it is written.

A pure function of the text so far says what may be told; a stream tells what that has grown by. So however
a reply is cut into pieces, the pieces joined are what the whole reply gives.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from ftcore.evaluation.replies import LABEL, STOP, Call, parse_reply

Thoughts = Literal["reasoning", "content", "drop"]

LABELS = ("Thought", "Action", "Action Input", "Final Answer")
STOPS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>", "<|im_start|>", "</s>")
"""What `ftcore.evaluation.replies.STOP` finds."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a client is told of a reply."""

    reasoning: str = ""
    content: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """What the form of a reply depends on."""

    tools: frozenset[str]
    """Names of the tools that were offered; a call of another one is none, since nobody could answer it."""

    thoughts: Thoughts = "reasoning"
    """Where a Thought goes."""

    parallel: bool = True
    """Whether a client takes more than one call of a reply."""

    def whole(self, text: str, *, cut: bool = False) -> Told:
        """All that a finished reply says.

        Text around the form is content. Where an Action is none that can be made (an unknown tool, no JSON
        object), it is content as it stands, but never where the reply was `cut` off at its longest: then it
        may be half of one, and is left out, as is half a label.
        """
        parts = _parts(text, final=not cut)
        calls = _calls(parts.rest) if parts.rest else ()
        if all(call.name in self.tools and call.arguments is not None for call in calls):
            return self._told(parts, calls if self.parallel else calls[:1], rest=not calls and not cut)
        return self._told(parts, (), rest=not cut)

    def so_far(self, text: str) -> Told:
        """What can be told of a reply that begins with `text`, whatever follows: never a part of a label,
        and nothing from the first Action on."""
        return self._told(_parts(text, final=False), (), rest=False)

    def _told(self, parts: "_Parts", calls: tuple[Call, ...], *, rest: bool) -> Told:
        thoughts = [text for thought, text in parts.texts if thought and text]
        aside = self.thoughts in ("reasoning", "drop")
        content = [text for thought, text in parts.texts if text and not (thought and aside)]
        content += [parts.rest.strip()] if rest and parts.rest.strip() else []
        reasoning = thoughts if self.thoughts == "reasoning" else ()
        return Told("\n".join(reasoning), "\n".join(content), calls)


@dataclass(slots=True)
class Stream:
    """A reply as it is written."""

    reader: Reader
    text: str = ""
    told: Told = field(default_factory=Told)

    def feed(self, piece: str) -> Told:
        """What can be told since the last time."""
        self.text += piece
        return self._since(self.reader.so_far(self.text))

    def finish(self, *, cut: bool = False) -> Told:
        """The rest, once the reply is over."""
        return self._since(self.reader.whole(self.text, cut=cut))

    def _since(self, now: Told) -> Told:
        before, self.told = self.told, now
        return Told(now.reasoning[len(before.reasoning) :], now.content[len(before.content) :], now.calls)


@dataclass(frozen=True, slots=True)
class _Parts:
    texts: tuple[tuple[bool, str], ...]
    """Texts in order, each with whether it is a Thought."""

    rest: str
    """From the first Action on."""


def _parts(text: str, *, final: bool) -> _Parts:
    text = text.lstrip("\ufeff").replace("\r\n", "\n")
    if not final:
        text = text.removesuffix("\r")
    text = text.replace("\r", "\n")
    ended = STOP.search(text)
    text = text[: ended.start()] if ended else text
    if not final and not ended:
        text = text[: _certain(text)]
    texts: list[tuple[bool, str]] = []
    kind, start = "", 0
    for label in LABEL.finditer(text):
        texts.append((kind == "Thought", text[start : label.start()].strip()))
        kind, start = " ".join(label[1].split()), label.end()
        if kind.startswith("Action"):
            return _Parts(tuple(texts), text[label.start() :])
    texts.append((kind == "Thought", text[start:].strip()))
    return _Parts(tuple(texts), "")


def _certain(text: str) -> int:
    """How much of an unfinished reply is sure to be text: not what may become a label or a stop token."""
    line = text.rfind("\n") + 1
    begun = re.sub(r"[ \t]+", " ", text[line:].lstrip(" \t"))
    if any(f"{label} ".startswith(begun) for label in LABELS):
        return line
    longest = max(map(len, STOPS)) - 1
    held = next((n for n in range(longest, 0, -1) if any(s.startswith(text[-n:]) for s in STOPS)), 0)
    return len(text) - min(held, len(text))


def _calls(rest: str) -> tuple[Call, ...]:
    """The calls at the beginning of `rest`; what a model goes on to make up itself is none of them."""
    end = next((label.start() for label in LABEL.finditer(rest) if not label[1].startswith("Action")), None)
    return parse_reply(rest[:end]).calls
