"""A worker of a search: asks for a point, trains it, tells what came of it, until enough were tried.

In a Slurm array's task `python -P -m ftcore.sweeps.searching SWEEP SUBMISSION -- srun ...`, on the first
node; on this machine `... SWEEP local NUMBER`. Before it asks, it takes up what a worker that is gone left
unfinished: its own first, after a requeue. Imports no torch.
"""

import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from optuna.trial import FrozenTrial, TrialState

from ftcore.config.compose import Composed, load
from ftcore.config.identity import config_hash
from ftcore.config.schema.search import Asha
from ftcore.runs import attempt_files, metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import locked, read_json, sync_tree, write_json
from ftcore.runs.verdict import OPEN_STATES
from ftcore.sweeps import directory, frozen, lease, outcome
from ftcore.sweeps.create import Yaml, trial_run
from ftcore.sweeps.directory import SweepDirectory, TrialEntry
from ftcore.sweeps.lease import Lease
from ftcore.sweeps.outcome import LOSS, Outcome
from ftcore.sweeps.request import Trial
from ftcore.sweeps.study import Study, point
from ftcore.sweeps.trying import Here, InTask, Way
from ftcore.sweeps.workers import over_file, stop_file

IN_VAIN = 20
"""Suggestions in a row that come to nothing, before points are drawn at random."""

ALL_IN_VAIN = 500
"""In a row, after which the search is over."""

STATES = MappingProxyType(
    {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "fail": TrialState.FAIL}
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A trial that is this worker's."""

    number: int
    run: RunDirectory
    lease: Lease


class Worker:
    """One of a search's."""

    def __init__(self, sweep: SweepDirectory, way: Way) -> None:
        self.sweep, self.way = sweep, way
        self.asked = frozen.load(sweep)
        with self._turn():
            self.study = Study(sweep.path, self.asked.search, self.asked.axes)
        self._yaml = Yaml()

    def work(self) -> None:
        """Until enough points were tried, a stop was asked for, or Slurm takes the job back."""
        while not self._stopped() and not self.way.over() and (taken := self._take()):
            with taken.lease:
                self._try(taken)

    def _take(self) -> Taken | None:
        with self._turn():
            return self._take_up() or self._new()

    def _take_up(self) -> Taken | None:
        """A trial under way that nobody works on; this worker's own first, then the oldest."""
        left = self.study.trials(TrialState.RUNNING)
        own = [lease.holder(self.sweep.path, one.number).get("worker") == self.way.worker for one in left]
        for _, one in sorted(zip(own, left, strict=True), key=lambda pair: (not pair[0], pair[1].number)):
            if taken := self._claim(one):
                return taken
        return None

    def _new(self) -> Taken | None:
        search = self.asked.search
        limit = search.max_accelerator_hours
        for tries in itertools.count():
            if self.study.tried() >= search.trials:
                return self._over(f"search.trials={search.trials} were tried")
            if limit is not None and self._hours() > limit:
                return self._over(f"search.max_accelerator_hours={limit:g} are used up")
            trial = None if tries == ALL_IN_VAIN else self.study.ask(draw=tries >= IN_VAIN)
            if trial is None:
                return self._over("no point is left to try")
            if taken := self._claim(self.study.trials()[trial.number]):
                return taken
        return None

    def _over(self, why: str) -> None:
        print(f"nothing more to ask for: {why}", flush=True)
        write_json(over_file(self.sweep), {"reason": why})

    def _claim(self, trial: FrozenTrial) -> Taken | None:
        """The trial as this worker's, with a run; None where another has it, or its point is left out."""
        mine = lease.take(self.sweep.path, trial.number, self.way.worker)
        if mine is None:
            return None
        entries = {entry.number: entry for entry in directory.trials(self.sweep)}
        if entry := entries.get(trial.number):
            return Taken(trial.number, self.sweep.run(entry), mine)
        # New, or of a worker that was killed between its question and the run's directory.
        words = point(trial.params, self.asked.axes)
        composed, problems = self.asked.variations.compose(words)
        if composed is None:
            self.study.leave_out(trial.number, "; ".join(map(str, problems)))
        elif any(test(composed.experiment.model_dump(mode="json")) for test in self.asked.skip):
            self.study.leave_out(trial.number, "search.skip")
        elif (before := self._same(composed, entries)) is not None:
            self.study.leave_out(trial.number, f"as trial {before}", self.study.trials()[before])
        else:
            return Taken(trial.number, self._make(Trial(trial.number, words, composed)), mine)
        with mine:
            return None

    def _same(self, composed: Composed, entries: dict[int, TrialEntry]) -> int | None:
        wanted = config_hash(composed.experiment)
        return next((number for number, entry in entries.items() if entry.config_hash == wanted), None)

    def _make(self, trial: Trial) -> RunDirectory:
        e = trial.composed.experiment
        half = self.sweep.runs_dir / e.name / f"{self.sweep.id}-{trial.number:05d}"
        shutil.rmtree(half, ignore_errors=True)
        run = trial_run(self.sweep, trial, self.asked.made, self.asked.asker, self._yaml)
        sync_tree(run.path)
        entry = TrialEntry(trial.number, f"{run.name}/{run.id}", trial.point, config_hash(e))
        directory.add_trial(self.sweep, entry)
        return run

    def _try(self, taken: Taken) -> None:
        """Train, unless the worker before came as far, and tell."""
        number, run = taken.number, taken.run
        if (end := self._outcome(run)) and not outcome.lost(record.read(run)):
            return self._tell(number, run, end)
        if not self.way.goes_on(run):
            entry = record.read(run)
            if entry["attempts"] and entry["state"] in OPEN_STATES:
                record.end_attempt(run, "preempted", outcome.WORKER_GONE)
            if len(entry["attempts"]) >= outcome.MOST_ATTEMPTS:
                reason = f"{len(entry['attempts'])} attempts, none with an end of its own"
                return self._tell(number, run, Outcome("fail", reason=reason))
        self.way.train(run, self._rungs(number), self._judge(number), self._stopped)
        entry = record.read(run)
        end = self._outcome(run)
        if end is None and entry["state"] == "preempted" and not self._stopped() and not self.way.over():
            end = Outcome("fail", reason=entry["attempts"][-1]["reason"])
        if end is not None:
            self._tell(number, run, end)

    def _outcome(self, run: RunDirectory) -> Outcome | None:
        entry, e = record.read(run), load(run.config)
        asked = read_json(run.attempt(len(entry["attempts"])) / attempt_files.STOP)
        lines = metrics.read(run.metrics)
        return outcome.outcome(entry, asked, lines, self.asked.search.metric, e.logging.window)

    def _tell(self, number: int, run: RunDirectory, end: Outcome) -> None:
        search, entry = self.asked.search, record.read(run)
        told: record.Record = {"metric": search.metric, "direction": search.direction, "value": end.value}
        asked = read_json(run.attempt(len(entry["attempts"])) / attempt_files.STOP) or {}
        pruned = {outcome.PRUNED: asked[outcome.PRUNED]} if end.end == "pruned" else {}
        record.update(run, lambda entry: entry.update(judged=told, **pruned))
        self.study.tell(number, STATES[end.end], end.value, end.reason)
        value = f" {search.metric} {end.value:g}" if end.value is not None else f" ({end.reason})"
        print(f"trial {number}: {end.end}{value}", flush=True)

    def _rungs(self, number: int) -> Iterator[int]:
        """Those that the trial was not judged at yet."""
        search = self.asked.search
        if not isinstance(search, Asha) or search.metric != LOSS:
            return iter(())
        before = self.study.trials()[number].last_step or 0
        return itertools.dropwhile(
            lambda step: step <= before, outcome.rungs(search.min_steps, search.reduction)
        )

    def _judge(self, number: int):
        trial = self.study.again(number)
        return lambda step, value: self.study.report(trial, step, value)

    def _hours(self) -> float:
        entries = directory.trials(self.sweep)
        return sum(outcome.accelerator_hours(record.read(self.sweep.run(entry))) for entry in entries)

    def _stopped(self) -> bool:
        return stop_file(self.sweep).exists()

    def _turn(self):
        return locked(self.sweep.path / ".lock")


def main(arguments: list[str]) -> int:
    path, where, *rest = arguments
    sweep = SweepDirectory(Path(path))
    folder = Path(directory.read(sweep)["folder"])
    os.chdir(folder)
    way = Here(rest[0], folder) if where == "local" else InTask(sweep, rest)
    Worker(sweep, way).work()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
