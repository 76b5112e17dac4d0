"""A sweep's directory: what was asked, its trials, what they share; the runs lie where all runs lie.

runs_dir/.sweeps/<id>/
    sweep.json       what was asked and when; the jobs
    trials.jsonl     one line a trial: number, run, overrides, config_hash
    code/ environment.txt    shared by all trials (each run has links to them)
    submit.sh logs/ submitit/
and of a search
    search.json config.yaml conf/    what its workers make trials from
    data/    configurations, one for each set of data that its trials share
    journal.log leases/              Optuna's study; who works on which trial
    stop.json over.json              left where it was cancelled, and where nothing more is to be tried
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftcore.config.errors import Problem, RequestError, nearest
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import locked, read_json, write_json, write_text

FOLDER = ".sweeps"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class TrialEntry:
    """One line of `trials.jsonl`."""

    number: int
    run: str
    """`NAME/ID` below the runs folder."""

    point: tuple[str, ...]
    """Overrides that make it this trial."""

    config_hash: str


@dataclass(frozen=True, slots=True)
class SweepDirectory:
    """Where what belongs to a sweep as a whole lies."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def runs_dir(self) -> Path:
        return self.path.parents[1]

    @property
    def state(self) -> Path:
        return self.path / "sweep.json"

    @property
    def trials(self) -> Path:
        return self.path / "trials.jsonl"

    @property
    def source(self) -> Path:
        return self.path / "code" / "src"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def run(self, entry: TrialEntry) -> RunDirectory:
        """The run directory of a trial."""
        return RunDirectory(self.runs_dir / entry.run)


def read(sweep: SweepDirectory) -> dict[str, Any]:
    """`sweep.json`."""
    return read_json(sweep.state)


def update(sweep: SweepDirectory, **changed: Any) -> dict[str, Any]:
    """Change keys of `sweep.json`, one writer at a time."""
    with locked(sweep.path / ".lock"):
        entry = read(sweep) | changed
        write_json(sweep.state, entry)
    return entry


def write_trials(sweep: SweepDirectory, entries: Iterable[TrialEntry]) -> None:
    """All trials, in one step."""
    lines = (json.dumps(asdict(entry), ensure_ascii=False) for entry in entries)
    write_text(sweep.trials, "".join(f"{line}\n" for line in lines))


def add_trial(sweep: SweepDirectory, entry: TrialEntry) -> None:
    """One more, found by a search; callers hold `locked(sweep.path / ".lock")`."""
    with sweep.trials.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")


def trials(sweep: SweepDirectory) -> list[TrialEntry]:
    """All trials so far, in order of number."""
    try:
        text = sweep.trials.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    parts = (json.loads(line) for line in text.splitlines() if line.endswith("}"))
    return [TrialEntry(**{**part, "point": tuple(part["point"])}) for part in parts]


def every(runs_dir: Path) -> Iterator[SweepDirectory]:
    """All sweeps under `runs_dir`, oldest first."""
    for path in sorted(runs_dir.glob(f"{FOLDER}/*/sweep.json")):
        yield SweepDirectory(path.parent)


def find(runs_dir: Path, reference: str) -> SweepDirectory | None:
    """The sweep that `reference` means: its id, or the beginning of one; None where it means none.

    Raises RequestError where it is the beginning of several.
    """
    alike = [sweep for sweep in every(runs_dir) if sweep.id.startswith(reference)]
    exact = [sweep for sweep in alike if sweep.id == reference]
    if len(alike) > 1 and not exact:
        raise RequestError(
            [Problem(reference, f"{len(alike)} sweeps begin so", ", ".join(s.id for s in alike[:5]))]
        )
    return (exact or alike or [None])[0]


def required(runs_dir: Path, reference: str) -> SweepDirectory:
    """As `find`; RequestError where there is none."""
    if found := find(runs_dir, reference):
        return found
    ids = [sweep.id for sweep in every(runs_dir)]
    raise RequestError(
        [Problem(reference, f"no such sweep under {runs_dir}", nearest=nearest(reference, ids))]
    )
