"""A search's directory, and workers that train nothing."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ftcore.runs import metrics, record
from ftcore.runs.create import Request
from ftcore.runs.directory import RunDirectory
from ftcore.sweeps import directory
from ftcore.sweeps.create import create
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.request import request
from ftcore.sweeps.searching import Worker
from ftcore.sweeps.watch import Watch

WORDS = ("hardware=cpu", "max_steps=30", "name=searched")
STEPS = 30


def search(folder: Path, *words: str, config_dir: Path | None = None) -> SweepDirectory:
    """Frozen below `folder`, nothing started."""
    own = [*WORDS, f"runs_dir={folder}", f"cache_dir={folder}/.cache"]
    asked = request([*own, *words], None if config_dir is None else str(config_dir))
    return create(asked, [], Request("python -m ftcore -m", os.getcwd()), folder)


class Pretended:
    """Trains by writing down losses that are a function of the point; `during` is called with each step."""

    def __init__(self, worker: str, during: Callable[[RunDirectory, int], None] = lambda *_: None) -> None:
        self.worker, self._during = worker, during

    def goes_on(self, run: RunDirectory) -> bool:
        return False

    def over(self) -> bool:
        return False

    def train(self, run, rungs, judge, stopped) -> None:
        number = record.begin_attempt(run)
        record.update(run, lambda entry: entry.update(state="running"))
        run.attempt(number).mkdir(parents=True)
        entry, ended = record.read(run), []
        config = entry["config"]
        if config["lr"] > 0.5:
            record.end_attempt(run, "failed", "out of memory", {"type": "OutOfMemoryError", "message": "no"})
            return
        watch = Watch(run, experiment(run), number, rungs, judge, lambda: ended.append(True), stopped)
        for step in range(1, STEPS + 1):
            loss = abs(config["lr"] - 0.01) * 100 + config["rank"] / 100 + 5 / step
            metrics.append(run.metrics, {"step": step, "loss": loss})
            self._during(run, step)
            watch._look()
            if ended:
                asked = json.loads((run.attempt(number) / "stop.json").read_text())
                record.end_attempt(run, asked["state"], asked["reason"])
                return
        record.update(run, lambda entry: entry["results"].update(tokens_per_second=1000 * config["rank"]))
        record.end_attempt(run, "completed", "all stages done")


def experiment(run: RunDirectory):
    from ftcore.config.compose import load

    return load(run.config)


def work(sweep: SweepDirectory, worker: str = "one", during=lambda *_: None) -> Worker:
    """A worker's whole life."""
    one = Worker(sweep, Pretended(worker, during))
    one.work()
    return one


def records(sweep: SweepDirectory) -> list[record.Record]:
    """Of every trial, by number."""
    return [record.read(sweep.run(entry)) for entry in directory.trials(sweep)]


if __name__ == "__main__":  # a worker that stays in its third step
    folder, name = sys.argv[1:]

    def stay(run: RunDirectory, step: int) -> None:
        if step == 3:
            print(run.id, flush=True)
            time.sleep(600)

    work(SweepDirectory(Path(folder)), name, stay)
