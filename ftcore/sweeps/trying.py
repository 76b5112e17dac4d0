"""One trial of a search, from its run directory to its end, on this machine or in an array's task."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from ftcore.config.compose import load
from ftcore.jobs import job_spec
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.reconcile import reconcile
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.task import Life
from ftcore.sweeps.watch import Watch
from launchers import Job, LocalLauncher, slurm_queue
from launchers.local import found, is_alive

POLL_SECONDS = 0.1

Judge = Callable[[int, float], bool]


class Way(Protocol):
    """How a worker trains a trial."""

    worker: str
    """A name for it that a requeued task has again."""

    def train(
        self, run: RunDirectory, rungs: Iterator[int], judge: Judge, stopped: Callable[[], bool]
    ) -> None:
        """Another attempt of the run, or what is left of one that goes on; the record says how it ended."""

    def goes_on(self, run: RunDirectory) -> bool:
        """Whether ranks of the run have outlived the worker that started them."""

    def over(self) -> bool:
        """Whether the worker's place is taken away: it is to ask for nothing more."""


class Here:
    """On this machine."""

    def __init__(self, number: str, folder: Path) -> None:
        self.worker, self._folder = f"local {number}", folder

    def train(
        self, run: RunDirectory, rungs: Iterator[int], judge: Judge, stopped: Callable[[], bool]
    ) -> None:
        e = load(run.config)
        job_id = record.read(run)["launch"]["job_id"]
        job = _Left(job_id, run.path) if self.goes_on(run) else self._begin(run)
        number = len(record.read(run)["attempts"])
        with Watch(run, e, number, rungs, judge, job.stop, stopped):
            while job.alive():
                time.sleep(POLL_SECONDS)
        reconcile(run)

    def _begin(self, run: RunDirectory) -> Job:
        number = record.begin_attempt(run)
        job = LocalLauncher().submit(job_spec(load(run.config), run, number, self._folder))
        record.hand_to(run, job.id)
        return job

    def goes_on(self, run: RunDirectory) -> bool:
        # They have a session of their own.
        return is_alive(record.read(run)["launch"]["job_id"], run.path)

    def over(self) -> bool:
        return False


class _Left:
    """The job of a worker that was killed."""

    def __init__(self, job_id: str, path: Path) -> None:
        self.id, self._path = job_id, path

    def alive(self) -> bool:
        return is_alive(self.id, self._path)

    def stop(self) -> None:
        found(self.id).stop()

    def kill(self) -> None:
        found(self.id).kill()


class InTask:
    """On the nodes of a Slurm array's task, which this process runs on the first one of."""

    def __init__(self, sweep: SweepDirectory, rest: list[str]) -> None:
        self._life = Life(sweep, rest)
        self.worker = f"task {self._life.job}"

    def train(
        self, run: RunDirectory, rungs: Iterator[int], judge: Judge, stopped: Callable[[], bool]
    ) -> None:
        number = len(record.read(run)["attempts"]) + 1
        with Watch(run, load(run.config), number, rungs, judge, self._stop, stopped):
            self._life.trial(run)

    def goes_on(self, run: RunDirectory) -> bool:
        # Slurm ends a job's steps with its batch script.
        return False

    def over(self) -> bool:
        return self._life.over()

    def _stop(self) -> None:
        slurm_queue.signal(self._life.job, "TERM")
