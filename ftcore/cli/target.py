"""The runs that a command's words name."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from ftcore.config.errors import Problem, RequestError
from ftcore.runs.directory import RunDirectory, find

ALLOWED = "an id, its beginning, a folder, last"


@dataclass(frozen=True, slots=True)
class Target:
    """Runs, and words that are something else."""

    runs: list[RunDirectory]
    rest: list[str]


def runs_dir_of(flags: argparse.Namespace) -> Path:
    """Where runs lie: `runs_dir=FOLDER` among the words, or `--runs-dir`."""
    folders = [word.removeprefix("runs_dir=") for word in flags.words if word.startswith("runs_dir=")]
    return Path(folders[-1] if folders else flags.runs_dir)


def one_run(flags: argparse.Namespace) -> RunDirectory:
    """The one run that the command is about."""
    return named(flags, at_least=1, at_most=1).runs[0]


def named(
    flags: argparse.Namespace, *, at_least: int, at_most: int | None = None, all_runs: bool = False
) -> Target:
    """The runs that the first `at_least` words name, or with `all_runs` all of them; then the rest.

    Raises RequestError with everything that is wrong: too few, too many, unknown or ambiguous.
    """
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    if len(words) < at_least or (at_most is not None and len(words) > at_most):
        wanted = "one run is" if at_least == at_most == 1 or at_least == 1 else f"{at_least} runs are"
        given = "none" if not words else ", ".join(words)
        raise RequestError([Problem("RUN", f"{wanted} needed, given: {given}", ALLOWED)])
    count = len(words) if all_runs else at_least
    runs: list[RunDirectory] = []
    problems: list[Problem] = []
    for word in words[:count]:
        try:
            runs.append(find(runs_dir_of(flags), word))
        except RequestError as error:
            problems += error.problems
    if problems:
        raise RequestError(problems)
    return Target(runs, words[count:])
