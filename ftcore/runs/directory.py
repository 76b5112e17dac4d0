"""A run's directory: made whole before anything starts, never shared by two runs, never moved under a job."""

import os
import secrets
import shlex
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ftcore.config.errors import Problem, RequestError, nearest

ID_FORMAT = "%Y%m%d-%H%M%S"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where everything of one run lies."""

    path: Path

    writer: int | None = None
    """The attempt that writes through this, for a process of a job: it may while no newer one has begun
    (`record.turn`). None is a person's command."""

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def name(self) -> str:
        return self.path.parent.name

    @property
    def record(self) -> Path:
        return self.path / "record.json"

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def xtuner_config(self) -> Path:
        return self.path / "xtuner_config.py"

    @property
    def source(self) -> Path:
        """The packages as they were submitted; workers of a queued job import these."""
        return self.path / "code" / "src"

    @property
    def source_archive(self) -> Path:
        """The same as one file (`ftcore.runs.source`)."""
        return self.path / "code" / "source.tar.gz"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def progress(self) -> Path:
        return self.path / "progress.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def trained(self) -> Path:
        """Written last by stage train; its presence says that training is over."""
        return self.path / "trained.json"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def merged(self) -> Path:
        return self.path / "merged"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def evaluations(self) -> Path:
        """Those made after the run (`ftcore evaluate`): a folder each, with an `evaluation.json`."""
        return self.path / "evaluations"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def attempt(self, number: int) -> Path:
        """Logs and hand-over files of one attempt."""
        return self.path / "logs" / str(number)


def command_line(name: str, run: RunDirectory, *more: str) -> str:
    """`python -m ftcore NAME ID MORE` as it is typed from here: with `--runs-dir` where the run is not under
    `runs`."""
    folder = run.path.absolute().parents[1]
    elsewhere = [] if folder == Path("runs").absolute() else ["--runs-dir", str(run.path.parents[1])]
    return f"python -m ftcore {shlex.join([name, run.id, *more, *elsewhere])}"


def make(runs_dir: Path, name: str) -> RunDirectory:
    """A new, empty run directory `runs_dir/name/<time>-<milliseconds><random>`.

    Two made at once differ, and ids sort by time.
    """
    parent = runs_dir / name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            now = time.time()
            stamp = time.strftime(ID_FORMAT, time.localtime(now))
            path = parent / f"{stamp}-{int(now % 1 * 1000):03d}{secrets.token_hex(1)}"
            try:
                path.mkdir(exist_ok=False)
                return RunDirectory(path)
            except FileExistsError:
                continue
    except OSError as error:
        raise RequestError([Problem("runs_dir", f"cannot write to {parent}: {error.strerror}")]) from None


def folders(runs_dir: Path) -> list[str]:
    """`NAME/ID` of every folder under `runs_dir` that may be a run, oldest first; reads no record.

    Names that begin with a dot (the cache, the index) are no runs.
    """
    found = []
    for name in _inside(runs_dir):
        found += [(run, name) for run in _inside(runs_dir / name)]
    return [f"{name}/{run}" for run, name in sorted(found)]


def _inside(folder: Path) -> list[str]:
    """Names of the folders in `folder`; none where it is not there, or closed to us."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:
        return []


def every(runs_dir: Path) -> Iterator[RunDirectory]:
    """All runs under `runs_dir`, oldest first."""
    return _recorded(runs_dir, folders(runs_dir))


def _recorded(runs_dir: Path, paths: Iterable[str]) -> Iterator[RunDirectory]:
    for path in paths:
        run = RunDirectory(runs_dir / path)
        if run.record.is_file():
            yield run


def find(runs_dir: Path, reference: str) -> RunDirectory:
    """The run that `reference` means: an id, the beginning of one, a folder, or `last`.

    Looks at names, and for records only where a name fits. Raises RequestError where there is none, or more
    than one.
    """
    # Absolute, so that `.` and `../ID` have the run's id and name.
    folder = Path(os.path.abspath(reference))
    with suppress(OSError, ValueError):  # a reference too long, or of no possible name, is no folder
        if (folder / "record.json").is_file():
            return RunDirectory(folder)
    paths = folders(runs_dir)
    if reference == "last" and (newest := next(_recorded(runs_dir, reversed(paths)), None)):
        return newest
    fitting = [path for path in paths if path == reference or path.partition("/")[2].startswith(reference)]
    matches = list(_recorded(runs_dir, fitting))
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(run.id for run in matches[:5])
        raise RequestError([Problem(reference, f"{len(matches)} runs begin so", shown)])
    newest = [run.id for run in islice(_recorded(runs_dir, reversed(paths)), 5)]
    shown = ", ".join(reversed(newest)) or "(no runs yet)"
    ids = [path.partition("/")[2] for path in reversed(paths)]
    raise RequestError([Problem(reference, f"no such run under {runs_dir}", shown, nearest(reference, ids))])
