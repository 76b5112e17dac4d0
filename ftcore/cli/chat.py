"""`ftcore chat RUN`: talk with a run's model in the terminal."""

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ftcore.cli.target import one_run
from ftcore.config.compose import load
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.config.schema import Experiment
from ftcore.deploy.bad_request import BadRequest
from ftcore.deploy.conversation import HELP, Conversation, command, obeyed
from ftcore.deploy.sampling import Sampling
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory, command_line

if TYPE_CHECKING:
    from ftcore.deploy.engine import Engine

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

REFRESH = 12
"""Pictures a second of a reply that is being written."""


@dataclass(slots=True)
class Side:
    """A model, and what it was told so far."""

    engine: "Engine"
    talk: Conversation


@dataclass(slots=True)
class Said:
    """A reply so far."""

    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    finish_reason: str = ""
    """Empty where it was left before its end."""

    problem: str = ""


def main(flags: argparse.Namespace) -> int:
    run = one_run(flags)
    e, base = load(run.config), ""
    problems = _wrong_flags(flags)
    if problem := _no_weights(run):
        problems.append(problem)
    else:
        base, found = _base(run, e, flags.compare)
        problems += found
    if problems:
        raise RequestError(problems)
    console = Console(highlight=False, soft_wrap=True, quiet=flags.json)
    aside = Console(stderr=True, highlight=False)
    with aside.status("loading the model"):
        sides = _sides(run, e, base, flags)
    sampling = Sampling(flags.max_tokens, flags.temperature, seed=flags.seed)
    for line in _lines(flags, console):
        if (asked := command(line)) is None:
            text = line.strip().removeprefix("/") if line.strip().startswith("//") else line.strip()
            replies = _answered(text, sides, sampling, console)
            if flags.json:
                print(json.dumps(_facts(run, text, sides, replies), ensure_ascii=False), flush=True)
        elif asked[0] in ("quit", "exit"):
            break
        else:
            try:
                told = obeyed(*asked, [side.talk for side in sides.values()])
            except ValueError as error:
                told = str(error)
            aside.print(told, markup=False)
    return 0


def _wrong_flags(flags: argparse.Namespace) -> list[Problem]:
    wrong = []
    if flags.max_tokens < 1:
        wrong.append(
            Problem("--max-tokens", f"{flags.max_tokens} leaves no room for an answer", "1 and more")
        )
    if not 0 <= flags.temperature <= 2:
        wrong.append(Problem("--temperature", f"{flags.temperature:g} is not from 0 to 2", "0 to 2"))
    return wrong


def _no_weights(run: RunDirectory) -> Problem | None:
    if run.merged.is_dir() or run.adapter.is_dir():
        return None
    state = record.read(run)["state"]
    message = f"is {state} and has neither merged/ nor adapter/ yet"
    return Problem(run.id, message, "a run whose stage export is completed", command_line("resume", run))


def _base(run: RunDirectory, e: Experiment, compare: bool) -> tuple[str, list[Problem]]:
    """Where the base model is, and that it is not there where it is needed."""
    folder = Path(record.read(run)["launch"]["folder"], e.model.path)
    if folder.is_dir():
        return str(folder), []
    needed = compare or not run.merged.is_dir()
    is_hub_id = e.model.gguf is None and not e.model.path.startswith((".", "/", "~"))
    if not needed or is_hub_id:
        return e.model.path, []
    return "", [Problem("model.path", f"the base model is not at {folder}", "its folder, back in its place")]


def _sides(run: RunDirectory, e: Experiment, base: str, flags: argparse.Namespace) -> dict[str, Side]:
    from transformers.utils import logging

    from ftcore.deploy.talk import sides

    logging.disable_progress_bar()
    engines = sides(run, e, base, compare=flags.compare)
    return {name: Side(engine, Conversation(flags.system or "")) for name, engine in engines.items()}


def _lines(flags: argparse.Namespace, console: Console) -> Iterator[str]:
    """What is asked: `-p`, or typed, or the lines of standard input."""
    if flags.prompt:
        yield from flags.prompt
    elif not sys.stdin.isatty():
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
        yield from (line for line in sys.stdin if line.strip())
    else:
        with suppress(ImportError):
            import readline  # noqa: F401  (arrows and history in `input`)
        console.print(HELP, markup=False)
        while True:
            try:
                line = input("> ")
            except (EOFError, KeyboardInterrupt):
                console.print()
                return
            if line.strip():
                yield line


def _answered(text: str, sides: dict[str, Side], sampling: Sampling, console: Console) -> dict[str, Said]:
    """Ask every model; replies appear as they are written. Ctrl-C ends them and keeps what was said."""
    replies = {name: Said() for name in sides}
    live = console.is_terminal and len(sides) > 1
    try:
        with Live(console=console, refresh_per_second=REFRESH) if live else nullcontext() as shown:
            for name, side in sides.items():
                if len(sides) > 1 and not live:
                    console.print(f"{name}:", markup=False)
                with closing(_reply(side, text, sampling, replies[name])) as pieces:
                    for piece in pieces:
                        if live:
                            shown.update(_beside(replies, console.width))
                        else:
                            console.print(printable(piece), end="", markup=False)
                if not live:
                    console.print(replies[name].problem, markup=False)
                elif replies[name].problem:
                    shown.update(_beside(replies, console.width))
    except KeyboardInterrupt:
        console.print()
    return replies


def _reply(side: Side, text: str, sampling: Sampling, said: Said) -> Iterator[str]:
    """The pieces of a reply, put together in `said`; one that is left before its end is kept so far."""
    started, gone = time.monotonic(), threading.Event()
    pieces = side.engine.stream(side.talk.asked(text), sampling, gone)
    try:
        for piece in pieces:
            said.text += piece.text
            if piece.finish_reason:
                said.finish_reason, said.tokens = piece.finish_reason, piece.completion_tokens
            yield piece.text
    except BadRequest as problem:
        said.problem = str(problem)
    except RuntimeError as error:  # no memory left, say
        raise WorkError(f"the model failed at an answer: {error}") from error
    finally:
        gone.set()
        pieces.close()
        said.seconds = round(time.monotonic() - started, 3)
        if said.text or said.finish_reason:
            side.talk.answered(text, said.text)


def printable(text: str) -> str:
    """`text` without the characters that would steer a terminal."""
    return CONTROL.sub("", text)


def _beside(replies: dict[str, Said], width: int) -> Table:
    """The replies in columns, or one under the other where the terminal is narrow."""
    table = Table(expand=True, show_header=width >= 80)
    if width >= 80:
        for name in replies:
            table.add_column(name, ratio=1, overflow="fold")
        table.add_row(*(Text(printable(said.text or said.problem)) for said in replies.values()))
    else:
        for name, said in replies.items():
            table.add_row(Text(name, style="bold"))
            table.add_row(Text(printable(said.text or said.problem)), end_section=True)
    return table


def _facts(run: RunDirectory, text: str, sides: dict[str, Side], replies: dict[str, Said]) -> dict[str, Any]:
    return {
        "run": run.id,
        "system": next(iter(sides.values())).talk.system,
        "prompt": text,
        "replies": {name: _plain(said) for name, said in replies.items()},
    }


def _plain(said: Said) -> dict[str, Any]:
    plain = {"text": said.text, "tokens": said.tokens, "seconds": said.seconds}
    return plain | {"finish_reason": said.finish_reason or None, "problem": said.problem or None}
