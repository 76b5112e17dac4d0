"""Ctrl-C ends a command quietly with 1, whatever the library it hits makes of it."""

import os
import signal
import sys

import pytest

from ftcore.cli.interrupts import Interrupts
from ftcore.cli.main import main
from ftcore.config.errors import Problem, RequestError


@pytest.fixture(autouse=True)
def usual_handler():
    """As in a shell: pytest's workers ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(error: Exception):
    """A command's module whose work is interrupted in a library that raises `error` instead."""

    def work(_flags) -> int:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise error from None
        raise AssertionError("no interrupt came")

    return work


@pytest.mark.parametrize(
    "error", [AttributeError("'NoneType' object"), RequestError([Problem("lr", "is not allowed")])]
)
def test_another_error_that_an_interrupt_became(error, monkeypatch, capsys):
    monkeypatch.setattr("ftcore.cli.plan.main", interrupted(error))
    before = signal.getsignal(signal.SIGINT)
    assert main(["plan"]) == 1
    assert capsys.readouterr() == ("", "")
    assert signal.getsignal(signal.SIGINT) is before and sys.unraisablehook is sys.__unraisablehook__


def test_an_error_of_its_own_is_not_hidden(monkeypatch):
    def work(_flags) -> int:
        raise AttributeError("a bug")

    monkeypatch.setattr("ftcore.cli.plan.main", work)
    with pytest.raises(AttributeError, match="a bug"):
        main(["plan"])


def test_a_handler_that_stands_is_left_alone():
    """Of a run that saves before it ends, or of a shell that ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
        assert not interrupts.seen and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
