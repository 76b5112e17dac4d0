"""A run's directory: made whole before anything starts, never shared by two runs, never moved under a job."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ftcore.config.errors import Problem, RequestError, nearest

ID_FORMAT = "%Y%m%d-%H%M%S"


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where everything of one run lies."""

    path: Path

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
    def report(self) -> Path:
        return self.path / "report.html"

    def attempt(self, number: int) -> Path:
        """Logs and hand-over files of one attempt."""
        return self.path / "logs" / str(number)


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


def every(runs_dir: Path) -> Iterator[RunDirectory]:
    """All runs under `runs_dir`, oldest first."""
    records = (
        path for path in runs_dir.glob("*/*/record.json") if not path.parent.parent.name.startswith(".")
    )
    yield from (RunDirectory(path.parent) for path in sorted(records, key=lambda path: path.parent.name))


def find(runs_dir: Path, reference: str) -> RunDirectory:
    """The run that `reference` means: an id, the beginning of one, a folder, or `last`.

    Raises RequestError where there is none, or more than one.
    """
    # Absolute, so that `.` and `../ID` have the run's id and name.
    folder = Path(os.path.abspath(reference))
    with suppress(OSError, ValueError):  # a reference too long, or of no possible name, is no folder
        if (folder / "record.json").is_file():
            return RunDirectory(folder)
    runs = list(every(runs_dir))
    if reference == "last" and runs:
        return runs[-1]
    matches = [run for run in runs if run.id.startswith(reference) or f"{run.name}/{run.id}" == reference]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(run.id for run in matches[:5])
        raise RequestError([Problem(reference, f"{len(matches)} runs begin so", shown)])
    ids = [run.id for run in runs]
    where = f"no such run under {runs_dir}"
    raise RequestError(
        [Problem(reference, where, ", ".join(ids[-5:]) or "(no runs yet)", nearest(reference, ids))]
    )
