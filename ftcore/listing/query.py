"""What a listing is asked for: words to filters, keys to keys of records, and how values compare."""

import math
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ftcore.config.errors import Problem, nearest, shortened
from ftcore.runs.record import STATES

ALIASES = {
    "run": "id", "loss": "results.final_loss", "tag": "tags", "job": "launch.job_id",
    "tokens_per_second": "results.tokens_per_second", "peak_memory": "results.peak_memory_gib",
    "started": "attempt.started", "ended": "attempt.ended", "reason": "attempt.reason",
    "host": "hardware.hostname", "commit": "code.commit",
}  # fmt: skip
"""Short names of what people ask for most."""

KNOWN_STATES = (*STATES, "unknown", "unreadable")
"""As runs are listed."""

ROOTS = ("", "config.", "choices.", "results.", "results.evaluation.tuned.")
"""Where a key is looked for, in this order: `lr` is the configuration's, `model` the group's choice."""

WORD = re.compile(r"([^=!<>~]+?)\s*(!=|>=|<=|==?|<|>|~)(.*)", re.S)
TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
DIGITS = 18
"""A longer row of digits is a hash."""

SHAPE = "KEY=VALUE, KEY!=VALUE, KEY<VALUE, KEY>VALUE, KEY<=VALUE, KEY>=VALUE, KEY~TEXT"

Order = tuple[int, Any]
"""Compares: numbers before times before texts."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one key."""

    key: str
    """As it was typed."""

    operator: str
    text: str

    def accepts(self, value: Any) -> bool:
        """Whether a run with `value` (None: it has none) is listed."""
        if self.operator == "=":
            return equal(value, self.text)
        if self.operator == "!=":
            return not equal(value, self.text)
        if self.operator == "~":
            return contains(value, self.text)
        return _COMPARE[self.operator](value, self.text)

    def problem(self, values: Iterable[Any]) -> Problem | None:
        """What is wrong where all `values` are numbers, or times, and are to be less or more than what is
        none; or where no run is ever in that state."""
        kinds = {_kind(value) for value in values if value is not None}
        if self.operator in _COMPARE and kinds == {0} and _kind(typed(self.text)) != 0:
            return Problem(self.key, f"its values are numbers, and {shortened(self.text)} is none")
        if self.operator in _COMPARE and kinds == {1} and _kind(self.text) != 1:
            message = f"its values are times, and {shortened(self.text)} is none"
            return Problem(self.key, message, "2026-11-24, or 2026-11-24T08:30")
        if self.key == "state" and self.operator in ("=", "!=") and self.text not in KNOWN_STATES:
            allowed, near = ", ".join(KNOWN_STATES), nearest(self.text, KNOWN_STATES)
            return Problem(self.key, f"no run is ever {shortened(self.text)}", allowed, near)
        return None


def filters(words: Iterable[str]) -> tuple[list[Filter], list[Problem]]:
    """The conditions that `words` state, and the words that state none."""
    found, problems = [], []
    for word in words:
        if match := WORD.fullmatch(word):
            found.append(Filter(match[1].strip(), match[2].replace("==", "="), match[3].strip()))
        else:
            problems.append(Problem(shortened(word), "is no filter", SHAPE))
    return found, problems


def resolve(word: str, keys: Collection[str]) -> str | Problem:
    """The record's key that `word` means, among `keys`; a Problem where there is none, or more than one.

    A key may be typed whole, as in the configuration, by its short name, or by its last parts if only one
    key ends so.
    """
    known = {*keys, *ALIASES.values()}
    if word in ALIASES:
        return ALIASES[word]
    for root in ROOTS:
        if root + word in known:
            return root + word
    endings = sorted(key for key in known if key.endswith(f".{word}"))
    if len(endings) == 1:
        return endings[0]
    if endings:
        return Problem(shortened(word), "more than one key ends so", ", ".join(endings[:8]))
    short = {key.removeprefix("config."): None for key in known}
    return Problem(shortened(word), "no run has such a key", nearest=nearest(word, [*ALIASES, *short]))


def typed(text: str) -> Any:
    """The number in `text`, or the text itself."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def equal(value: Any, text: str) -> bool:
    """Whether `value` is what a person means by `text`; a list is any of its entries, or `[a, b]` whole."""
    if value is None:
        return text in ("", "null", "none", "None")
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, (int, float)):
        return value == typed(text)
    if isinstance(value, list):
        whole = re.sub(r",\s*", ", ", text) == f"[{shown(value)}]"
        return whole or any(equal(one, text) for one in value)
    return value == text


def contains(value: Any, text: str) -> bool:
    """Whether `text` occurs in `value` as it is shown, in small letters or capitals."""
    if isinstance(value, list):
        return any(contains(one, text) for one in value)
    return value is not None and text.casefold() in shown(value).casefold()


def order(value: Any) -> Order:
    """Sorts values of any kind: numbers as numbers (nan last), times as times, the rest as text."""
    kind = _kind(value)
    if kind == 0:
        number = _number(value)
        return (0, (1, 0)) if isinstance(number, float) and math.isnan(number) else (0, (0, number))
    if kind == 1:
        moment = datetime.fromisoformat(value)
        return 1, (moment if moment.tzinfo else moment.astimezone()).timestamp()
    return 2, shown(value)


def ordered(values: Collection[Any], descending: bool = False) -> list[int]:
    """Places in `values`, sorted by value; equal ones stay in order, and missing ones (None) are last."""
    items = list(values)
    there = [place for place, value in enumerate(items) if value is not None]
    there.sort(key=lambda place: order(items[place]), reverse=descending)
    return there + [place for place, value in enumerate(items) if value is None]


def shown(value: Any) -> str:
    """`value` as text: nothing for None, entries of a list after commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return str(value)


def _number(value: Any) -> int | float | None:
    """`value` as a number, also the digits of a job's id; None for what is none."""
    if isinstance(value, str):
        return int(value) if len(value) < DIGITS and value.isascii() and value.isdecimal() else None
    return value if isinstance(value, (int, float)) else None


def _kind(value: Any) -> int:
    if _number(value) is not None:
        return 0
    return 1 if isinstance(value, str) and _is_time(value) else 2


def _is_time(text: str) -> bool:
    if not TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        return False
    return True


def _compared(holds: Callable[[Any, Any], bool]) -> Callable[[Any, str], bool]:
    """A comparison of a value with what was typed: only of one kind, and never of what is missing."""

    def compare(value: Any, text: str) -> bool:
        if value is None or isinstance(value, list):
            return False
        wanted = typed(text) if _kind(value) == 0 else text
        if _kind(value) != _kind(wanted) or wanted != wanted or value != value:
            return False
        return holds(order(value), order(wanted))

    return compare


_COMPARE: dict[str, Callable[[Any, str], bool]] = {
    "<": _compared(lambda a, b: a < b),
    "<=": _compared(lambda a, b: a <= b),
    ">": _compared(lambda a, b: a > b),
    ">=": _compared(lambda a, b: a >= b),
}
