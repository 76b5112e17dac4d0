"""What is wrong with a request, told so that a person can put it right."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LISTED = 400
"""Characters that a list of names may have in a message."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request."""

    key: str
    """Full dotted key (`optim.betas`), group, or flag as the user types it."""

    message: str
    allowed: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        text = f"{self.key}: {self.message}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.nearest:
            text += f"; did you mean {self.nearest}?"
        return text


class RequestError(Exception):
    """The request is wrong; `problems` holds all that was found. The command line exits 2."""

    def __init__(self, problems: Iterable[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class WorkError(Exception):
    """The request was right and the work failed. The command line exits 1."""

    def __init__(self, what: str, kept: str = "", goes_on: str = ""):
        self.what, self.kept, self.goes_on = what, kept, goes_on
        super().__init__(what)


class Unreadable(WorkError, ValueError):
    """A file of a run that is gone, closed to us, or not what it should be (a full disk, an edit by hand)."""

    def __init__(self, file: Path, why: str) -> None:
        goes_on = f"the same command, once a whole {file.name} is there"
        super().__init__(f"{file} cannot be read: {why}", f"what else lies in {file.parent}", goes_on)


def shortened(text: str, length: int = 200) -> str:
    """`text` for a message: a line, however much was typed; nothing at all is shown as quotes."""
    line = text if text.isprintable() else repr(text)
    return (line if len(line) <= length else f"{line[: length - 3]}...") or "''"


def listed(names: Iterable[str], word: str = "") -> str:
    """`names` for a message; of very many, those most like `word` and how many there are."""
    every = list(names)
    text = ", ".join(every)
    if len(text) <= LISTED:
        return text
    close = difflib.get_close_matches(word, every, n=8, cutoff=0.3) or every[:8]
    return f"{', '.join(close)}, ... ({len(every)}; --help lists all)"


def nearest(word: str, candidates: Iterable[str]) -> str:
    """The candidate most like `word`, or nothing where none is close.

    A candidate whose last part is `word` itself wins: `micro_batch_size` finds `data.micro_batch_size`. Where
    no whole name is close, the beginning of one may be: `smolm2` finds `smollm2_135m_instruct`.
    """
    names = list(candidates)
    last = word.rpartition(".")[2]
    same_leaf = [name for name in names if name.rpartition(".")[2] == last]
    if same_leaf and word not in names:
        return same_leaf[0]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return close[0]
    by_leaf = {name.rpartition(".")[2]: name for name in reversed(names)}
    close = difflib.get_close_matches(last, by_leaf, n=1, cutoff=0.7)
    if close:
        return by_leaf[close[0]]
    beginnings = {beginning: name for name in reversed(names) for beginning in _beginnings(name)}
    close = difflib.get_close_matches(word, beginnings, n=1, cutoff=0.75)
    return beginnings[close[0]] if close else ""


def _beginnings(name: str) -> list[str]:
    """`a` and `a_b` of `a_b_c`."""
    parts = name.split("_")
    return ["_".join(parts[:count]) for count in range(1, len(parts))]
