"""Texts at which a reply ends, found although they may be cut in two."""

from collections.abc import Sequence


def before_stop(text: str, stops: Sequence[str], *, final: bool) -> tuple[str, bool]:
    """`text` up to the first of `stops`, and whether one is there.

    Unless `final`, what may be the beginning of one at the end of `text` is left off too.
    """
    found = [at for stop in stops if (at := text.find(stop)) != -1]
    if found:
        return text[: min(found)], True
    if final:
        return text, False
    longest = max((_overlap(text, stop) for stop in stops), default=0)
    return text[: len(text) - longest], False


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if stop.startswith(text[-n:])), 0)
