"""`ftcore deploy RUN`: serve a finished run's merged model, or take that back."""

import argparse
import json
from typing import Any

from rich.console import Console

from ftcore.cli.target import runs_dir_of
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.deploy import settings
from ftcore.deploy.served import served
from ftcore.deploy.target import State, module_of
from ftcore.runs.directory import RunDirectory, command_line, find


def main(flags: argparse.Namespace) -> int:
    run, words = _asked(flags)
    e = settings.experiment(run, words, config_dir=flags.config_dir)
    target, state = module_of(e.deploy.kind), State.of(run, e.deploy.kind)
    console = Console(highlight=False, soft_wrap=True, quiet=flags.json)
    takes_back = command_line("deploy", run, f"deploy={e.deploy.kind}", "--down")
    if flags.down:
        facts = _or_told(lambda: target.down(e.deploy, state, console), state, takes_back)
        _tell({"run": run.id, "target": e.deploy.kind, **facts}, flags)
        return 0
    model = served(run, e, e.deploy.model_name)
    if problems := target.problems(model, e.deploy):
        raise RequestError(problems)
    if flags.print:
        preview = target.preview(model, e.deploy)
        if flags.json:
            _tell({"run": run.id, "target": e.deploy.kind, "preview": preview}, flags)
        else:
            print(preview, end="")
        return 0
    up = _or_told(lambda: target.up(model, e.deploy, state, console), state, takes_back)
    _tell({"run": run.id, "target": e.deploy.kind, **up.facts}, flags)
    if up.wait is not None:
        up.wait()
    return 0


def _asked(flags: argparse.Namespace) -> tuple[RunDirectory, list[str]]:
    """The run, and what is said of where to serve it."""
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    runs = [word for word in words if "=" not in word]
    if len(runs) != 1:
        given = ", ".join(runs) or "none"
        raise RequestError(
            [Problem("RUN", f"one run is needed, given: {given}", "an id, its beginning, last")]
        )
    said = [word for word in words if word != runs[0]]
    try:
        return find(runs_dir_of(flags), runs[0]), said
    except RequestError as error:
        raise RequestError([*error.problems, *settings.problems_of(said, flags.config_dir)]) from None


def _or_told(work: Any, state: State, takes_back: str) -> Any:
    """What `work()` gives; a failure says what was made before it, and how to take that back."""
    try:
        return work()
    except WorkError as error:
        if not state.made or error.kept:
            raise
        raise WorkError(error.what, kept=str(state), goes_on=error.goes_on or takes_back) from error


def _tell(facts: dict[str, Any], flags: argparse.Namespace) -> None:
    if flags.json:
        print(json.dumps(facts, ensure_ascii=False), flush=True)
