"""What people say of a run: tags to find it by, and a note."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ftcore.config.errors import Problem, RequestError, shortened

KEEP = "keep"
"""The tag under which `gc` leaves a run alone."""

TAG = re.compile(r"^\w[\w.\-]{0,63}$")
SANE = "letters (Chinese ones too), digits, _, -, .; at most 64, the first no - or ."
NOTE_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """Tags to add and to take away, each in the order typed."""

    add: tuple[str, ...]
    remove: tuple[str, ...]

    def of(self, tags: Sequence[str]) -> list[str]:
        """`tags` after the change; one that is there keeps its place."""
        kept = [tag for tag in tags if tag not in self.remove]
        return kept + [tag for tag in self.add if tag not in kept]


def change(words: Iterable[str]) -> Change:
    """What `+good`, `good` (add) and `~bad`, `-bad` (take away, where it is there) mean.

    Raises RequestError with everything that is wrong: no tag, or one both added and taken away.
    """
    signed = [(word[:1] in "~-", _normal(word[1:] if word[:1] in "+~-" else word), word) for word in words]
    problems = [Problem(shortened(word), "is no tag", SANE) for _, tag, word in signed if not TAG.match(tag)]
    add = dict.fromkeys(tag for away, tag, _ in signed if not away)
    remove = dict.fromkeys(tag for away, tag, _ in signed if away)
    problems += [Problem(tag, "both added and taken away") for tag in add if tag in remove]
    if problems:
        raise RequestError(problems)
    return Change(tuple(add), tuple(remove))


def note(text: str) -> str:
    """`text` as it goes into a record: no blanks round it. RequestError where it is no text, or too long."""
    problems = []
    text = text.strip()
    if len(text) > NOTE_CHARACTERS:
        problems.append(Problem("TEXT", f"{len(text)} characters", f"at most {NOTE_CHARACTERS}"))
    # Escape sequences would act on the terminal of whoever lists runs.
    bad = sorted({repr(c) for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"})
    if bad:
        problems.append(Problem("TEXT", f"characters that are no text: {', '.join(bad[:5])}"))
    if problems:
        raise RequestError(problems)
    return text


def _normal(tag: str) -> str:
    # The same word typed on two systems may be composed differently.
    return unicodedata.normalize("NFC", tag)
