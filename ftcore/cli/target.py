"""The runs that a command's words name."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from ftcore.config.errors import Problem, RequestError
from ftcore.runs.directory import RunDirectory, find, folders
from ftcore.sweeps import directory as sweeps
from ftcore.sweeps.directory import SweepDirectory

ALLOWED = "an id, its beginning, a folder, last"
LAST_SWEEP = "last-sweep"


@dataclass(frozen=True, slots=True)
class Target:
    """Runs, and words that are something else."""

    runs: list[RunDirectory]
    rest: list[str]


def runs_dir_of(flags: argparse.Namespace) -> Path:
    """Where runs lie: `runs_dir=FOLDER` among the words, or `--runs-dir`."""
    folders = [word.removeprefix("runs_dir=") for word in flags.words if word.startswith("runs_dir=")]
    return Path(folders[-1] if folders else getattr(flags, "runs_dir", "runs"))


def one_run(flags: argparse.Namespace, *, or_sweep: bool = False) -> RunDirectory:
    """The one run that the command is about, which takes sweeps too with `or_sweep` (`one_sweep`)."""
    return named(flags, at_least=1, at_most=1, or_sweep=or_sweep).runs[0]


def one_sweep(flags: argparse.Namespace) -> SweepDirectory | None:
    """The sweep that the command is about; None where its words mean a run, or nothing.

    A sweep is `last-sweep`, its folder, its id, or a beginning that only it and its own runs have. Raises
    RequestError where something else begins so too.
    """
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    return sweep_of(runs_dir_of(flags), words[0]) if len(words) == 1 else None


def sweep_of(runs_dir: Path, reference: str) -> SweepDirectory | None:
    """As `one_sweep`, of one word."""
    if reference == LAST_SWEEP:
        newest = [*sweeps.every(runs_dir)][-1:]
        if not newest:
            raise RequestError([Problem(reference, f"no such sweep under {runs_dir}: there is none yet")])
        return newest[0]
    if Path(reference, "sweep.json").is_file():
        return SweepDirectory(Path(reference).absolute())
    if not reference or reference == "last":
        return None
    alike = [sweep for sweep in sweeps.every(runs_dir) if sweep.id.startswith(reference)]
    if exact := [sweep for sweep in alike if sweep.id == reference]:
        return exact[0]
    if not alike:
        return None
    ids = [path.partition("/")[2] for path in folders(runs_dir)]
    own = tuple(f"{sweep.id}-" for sweep in alike)
    runs = [run for run in ids if run.startswith(reference) and not run.startswith(own)]
    if len(alike) == 1 and not runs:
        return alike[0]
    message = f"{len(alike)} sweep{'s' * (len(alike) > 1)} and {len(runs)} other run{'s' * (len(runs) != 1)}"
    message += " begin so"
    raise RequestError([Problem(reference, message, ", ".join([*(one.id for one in alike), *runs][:5]))])


def only_of_a_sweep(flags: argparse.Namespace, *names: str) -> None:
    """Raises RequestError where one of those flags is given, and the command is about runs."""
    given = [name for name in names if getattr(flags, name)]
    if given:
        raise RequestError([Problem(f"--{name}", "is of a sweep, not of a run") for name in given])


def named(
    flags: argparse.Namespace,
    *,
    at_least: int,
    at_most: int | None = None,
    all_runs: bool = False,
    or_sweep: bool = False,
) -> Target:
    """The runs that the first `at_least` words name, or with `all_runs` all of them; then the rest.

    Raises RequestError with everything that is wrong: too few, too many, unknown or ambiguous.
    """
    words = [word for word in flags.words if not word.startswith("runs_dir=")]
    if len(words) < at_least or (at_most is not None and len(words) > at_most):
        wanted = "one run is" if at_least == at_most == 1 or at_least == 1 else f"{at_least} runs are"
        given = "none" if not words else ", ".join(words)
        allowed = f"{ALLOWED}; of a sweep likewise, or {LAST_SWEEP}" if or_sweep else ALLOWED
        raise RequestError([Problem("RUN", f"{wanted} needed, given: {given}", allowed)])
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
