"""One question to the file system, asked of many files."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 16
TRIED = 32
"""Files asked one after the other before it is judged how fast the file system answers."""

SLOW_SECONDS = 0.0001
"""An answer that takes longer comes over a network or from a disk; a local cache answers in a tenth of it."""

CHUNK = 32

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def spread(ask: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    """`[ask(item) for item in items]`, many at once where each takes its time.

    Threads pay where they wait for a server or a disk; where the answer is in memory they only get into each
    other's way, so a few are tried first.
    """
    began = time.perf_counter()
    answers = [ask(item) for item in items[:TRIED]]
    rest = items[TRIED:]
    if not rest:
        return answers
    if (time.perf_counter() - began) / TRIED < SLOW_SECONDS:
        return answers + [ask(item) for item in rest]
    chunks = [rest[start : start + CHUNK] for start in range(0, len(rest), CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        for part in pool.map(lambda chunk: [ask(item) for item in chunk], chunks):
            answers += part
    return answers
