"""Ctrl-C, and whether an error came of it: libraries that are interrupted in the middle raise others of their
own (pydantic-core a SchemaError, OmegaConf an AttributeError), or go on and find a value wrong."""

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """While it is entered, Ctrl-C raises KeyboardInterrupt as ever, and `seen` remembers it."""

    def __init__(self) -> None:
        self.seen = False
        self._before = None

    def __enter__(self) -> Self:
        here = threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None and signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, self._before)
        if sys.unraisablehook is _say_nothing:
            sys.unraisablehook = sys.__unraisablehook__

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        sys.unraisablehook = _say_nothing
        signal.default_int_handler(number, frame)


def _say_nothing(_unraisable: object) -> None:
    """Where an interrupt is lost in a library's callback, Python would print it."""
