"""From the command line to a command, and from its end to an exit code.

0: done. 1: the work failed. 2: the request was wrong.
"""

import argparse
import gc
import importlib
import io
import sys
from collections.abc import Sequence

from ftcore.cli import arguments
from ftcore.cli.commands import COMMANDS, DEFAULT
from ftcore.cli.interrupts import Interrupts
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.runs.disk import is_full

DONE, FAILED, WRONG = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; never lets a traceback of a user's mistake out."""
    with Interrupts() as interrupts:
        try:
            return _main(argv, interrupts)
        except KeyboardInterrupt:
            return FAILED
        except Exception:
            if interrupts.seen:
                return FAILED
            raise


def _main(argv: Sequence[str] | None, interrupts: Interrupts) -> int:
    # What is imported stays: looking through it for garbage every 700 objects is a tenth of a plan's time.
    gc.set_threshold(100_000)
    # A character that the terminal's encoding lacks is no reason to end.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    named = bool(words) and words[0] in COMMANDS
    name, words = (words[0], words[1:]) if named else (DEFAULT, words)
    try:
        flags, problems = arguments.parse(name, words)
        if flags.help and not problems:
            from ftcore.cli import help as help_pages

            return help_pages.show(name if named else None)
        if problems:
            raise RequestError([*problems, *_in_overrides(flags)])
        return importlib.import_module(COMMANDS[name].module).main(flags)
    except RequestError as error:
        if interrupts.seen:
            return FAILED
        _complain("\n".join(f"  {problem}" for problem in error.problems), "the request is wrong", name)
        return WRONG
    except WorkError as error:
        kept = f"\n  kept: {error.kept}" if error.kept else ""
        goes_on = f"\n  goes on with: {error.goes_on}" if error.goes_on else ""
        _complain(f"  {error.what}{kept}{goes_on}", "failed", name)
        return FAILED
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
        return DONE
    except OSError as error:
        if not is_full(error):
            raise
        _complain(f"  {error.strerror}: {error.filename or 'while writing into the run'}", "failed", name)
        return FAILED
    except ModuleNotFoundError as error:
        if (error.name or "ftcore").split(".")[0] in ("ftcore", "launchers"):
            raise
        goes_on = "make setup (the light half: make setup-base), then . .venv/bin/activate"
        told = f"  {error.name} is not installed for {sys.executable}\n  goes on with: {goes_on}"
        _complain(told, "failed", name)
        return FAILED


def entry() -> None:
    """The `ftcore` script of an installed wheel."""
    sys.exit(main())


def _in_overrides(flags: argparse.Namespace) -> tuple[Problem, ...]:
    """What is wrong besides, so that a person hears of everything at once."""
    if not hasattr(flags, "config_name") or flags.help or getattr(flags, "accuracy", False):
        return ()
    from ftcore.config.compose import compose

    try:
        compose(flags.words, config_dir=flags.config_dir, config_name=flags.config_name)
    except RequestError as error:
        return error.problems
    return ()


def _complain(text: str, what: str, name: str) -> None:
    print(f"ftcore {name}: {what}\n{text}", file=sys.stderr)
