"""Every trial's run directory, frozen together: a thousand in seconds."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftcore.config import plain_yaml
from ftcore.config.compose import to_yaml
from ftcore.config.identity import config_hash
from ftcore.config.schema import Experiment
from ftcore.config.schema.search import Asynchronous
from ftcore.runs.create import Made, Request, freeze, surroundings
from ftcore.runs.directory import RunDirectory, make
from ftcore.runs.files import link_or_copy, write_json, write_text
from ftcore.runs.record import now
from ftcore.sweeps import frozen, prepare
from ftcore.sweeps.directory import FOLDER, SCHEMA_VERSION, SweepDirectory, TrialEntry, write_trials
from ftcore.sweeps.request import Sweep, Trial

SHARED = ("commit.txt", "diff.patch", "source.tar.gz")
"""Of `code/`: each run has a link to them."""


def create(asked: Sweep, new: Sequence[Trial], asker: Request, runs_dir: Path) -> SweepDirectory:
    """The sweep's directory and a complete run directory of each of its `new` trials."""
    sweep = SweepDirectory(make(runs_dir, FOLDER).path)
    # A search without trials yet still has an experiment: that of its first point.
    e = asked.trials[0].composed.experiment
    made = surroundings(e, sweep.path)
    if isinstance(asked.search, Asynchronous):
        frozen.keep(sweep, asked, made)
        prepare.keep(sweep, asked, asked.search)
        write_text(sweep.path / "config.yaml", to_yaml(e))
    writer = Yaml()
    entries = []
    for trial in new:
        run = trial_run(sweep, trial, made, asker, writer)
        name = f"{run.name}/{run.id}"
        entries.append(TrialEntry(trial.number, name, trial.point, config_hash(trial.composed.experiment)))
    write_trials(sweep, entries)
    write_json(sweep.state, _state(sweep, asked, asker, e, entries))
    # One for all, instead of one a file.
    os.sync()
    return sweep


def trial_run(
    sweep: SweepDirectory, trial: Trial, made: Made, asker: Request, writer: "Yaml"
) -> RunDirectory:
    """The directory of one trial's run; ids sort as trials do."""
    e = trial.composed.experiment
    run = RunDirectory(sweep.runs_dir / e.name / f"{sweep.id}-{trial.number:05d}")
    (run.path / "code").mkdir(parents=True)
    for name in SHARED:
        with suppress(FileNotFoundError):
            link_or_copy(made.folder / "code" / name, run.path / "code" / name)
    link_or_copy(made.folder / "environment.txt", run.path / "environment.txt")
    more = {"sweep": sweep.id, "trial": trial.number, "point": list(trial.point)}
    freeze(run, trial.composed, asker, made, more=more, yaml=writer.text, durable=False, known=writer.known)
    return run


class Yaml:
    """Renders configurations that have most of their sections in common."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        """Pieces of any of a run's files, by what they say."""

    def text(self, e: Experiment) -> str:
        """As `ftcore.config.compose.to_yaml`, section by section."""
        return "".join(self._section(name, part) for name, part in e.model_dump(mode="json").items())

    def _section(self, name: str, part: Any) -> str:
        key = f"{name}: {json.dumps(part, sort_keys=False)}"
        if key not in self.known:
            self.known[key] = plain_yaml.dump({name: part})
        return self.known[key]


def _state(
    sweep: SweepDirectory, asked: Sweep, asker: Request, e: Experiment, entries: Sequence[TrialEntry]
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "id": sweep.id,
        "name": e.name,
        "created": now(),
        "command": asker.command,
        "folder": asker.folder,
        "cluster": e.cluster.kind,
        "fixed": list(asked.fixed),
        "search": asked.search.model_dump(mode="json"),
        "axes": [
            {
                "key": axis.key,
                "group": axis.group,
                "values": list(axis.values),
                "interval": None if axis.interval is None else asdict(axis.interval),
            }
            for axis in asked.axes
        ],
        "trials": asked.search.trials if isinstance(asked.search, Asynchronous) else len(entries),
        "skipped": asked.skipped,
        "invalid": [str(problem) for problem in asked.invalid],
        "reused": [],
        "jobs": [],
    }
