"""Beside a trial that trains: its figures as they come, and an end to it where it falls behind."""

import json
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from ftcore.config.schema import Experiment
from ftcore.runs import attempt_files, metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, write_json
from ftcore.sweeps.outcome import PRUNED, SWEEP_STOPPED, loss_at

POLL_SECONDS = 0.1
AGAIN_SECONDS = 10.0
"""Before a trial that was asked to stop is asked again."""

TAIL_BYTES = 8192


class Watch:
    """A thread for as long as it is entered.

    `judge` gets a step and the loss there, at each of `rungs`, and says whether the trial has fallen behind;
    `stop` asks its ranks to stop.
    """

    def __init__(
        self,
        run: RunDirectory,
        e: Experiment,
        attempt: int,
        rungs: Iterator[int],
        judge: Callable[[int, float], bool],
        stop: Callable[[], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._run, self._e, self._attempt = run, e, attempt
        self._rungs, self._judge, self._stop, self._cancelled = rungs, judge, stop, cancelled
        self._rung = next(rungs, None)
        self._asked_at: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        # What it reached since the last look counts for the others.
        if self._asked_at is None:
            self._fallen_behind()

    def _follow(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            try:
                self._look()
            except Exception:  # the trial itself is none the worse for it
                traceback.print_exc()

    def _look(self) -> None:
        if self._asked_at is not None:
            if time.monotonic() - self._asked_at > AGAIN_SECONDS:
                self._ask_to_stop(None)
        elif not self._trains():
            return
        elif self._cancelled():
            self._ask_to_stop({"state": "cancelled", "reason": SWEEP_STOPPED})
        elif step := self._fallen_behind():
            self._ask_to_stop({"state": "cancelled", "reason": f"pruned at step {step}", PRUNED: step})

    def _trains(self) -> bool:
        """Whether the attempt has begun: before, its ranks do not know yet how to stop."""
        entry = record.read(self._run)
        return entry["state"] == "running" and len(entry["attempts"]) >= self._attempt

    def _fallen_behind(self) -> int | None:
        """The rung at which the trial has, among those that it reached by now."""
        reached = last_step(self._run.metrics)
        if self._rung is None or reached < self._rung:
            return None
        lines = metrics.read(self._run.metrics)
        while self._rung is not None and self._rung <= reached:
            rung, self._rung = self._rung, next(self._rungs, None)
            behind = self._judge(rung, loss_at(lines, rung, self._e.logging.window))
            if behind and rung < self._last_step():
                return rung
        return None

    def _last_step(self) -> float:
        """Of the whole training; a trial that has made it is not stopped any more."""
        if self._e.max_steps is not None:
            return self._e.max_steps
        progress = read_json(self._run.progress) or {}
        total = progress.get("total") if progress.get("stage") == "train" else None
        return total or float("inf")

    def _ask_to_stop(self, why: dict[str, object] | None) -> None:
        if why is not None:
            number = len(record.read(self._run)["attempts"])
            write_json(self._run.attempt(number) / attempt_files.STOP, why)
        self._asked_at = time.monotonic()
        self._stop()


def last_step(path: Path) -> int:
    """The step of the last whole line of `metrics.jsonl`; 0 where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return 0
    return json.loads(lines[-1])["step"] if lines else 0
