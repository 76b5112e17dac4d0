"""The process that follows a run for its tracker, as the worker's first rank sees it."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from ftcore.config.schema import Experiment, NoTracker
from ftcore.runs.directory import RunDirectory
from ftcore.runs.warning import warn
from ftcore.tracking.files import read_sent

HURRY_SECONDS = 10.0
"""A job that was told to end has little time."""

WARNED = 3
"""Exit code of a follower that gave up and said so itself."""

WITHOUT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What makes a process a rank."""


class Tracking:
    """Starts the follower where training begins, and waits for it a bounded time at the end.

    Nothing here raises, and nothing waits while the run works.
    """

    def __init__(self, e: Experiment, run: RunDirectory, attempt: Path, active: bool) -> None:
        self.tracker, self.run, self.attempt = e.tracker, run, attempt
        self.active = active and not isinstance(e.tracker, NoTracker)
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self, step: int | None = None) -> None:
        """Follow the run; training goes on after `step` (None: there is no training to come)."""
        if not self.active or self.process is not None:
            return
        words = ["-P", "-m", "ftcore.tracking.follow", str(self.run.path.absolute())]
        environment = {name: value for name, value in os.environ.items() if name not in WITHOUT}
        # The cards are the ranks'.
        environment |= {"CUDA_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1", "OMP_NUM_THREADS": "1"}
        try:
            with (self.attempt / "tracker.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, *words, *([str(step)] if step is not None else [])],
                    env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log,
                )  # fmt: skip
        except OSError as error:
            self.active = False
            self._warn(f"is left out: {error}")

    def end(self, hurry: bool) -> None:
        """Have the rest sent; a follower that does not get it done in time is ended.

        With `hurry`, the time is `HURRY_SECONDS` at most.
        """
        self.begin()
        if self.process is None:
            return
        seconds = self.tracker.flush_seconds
        seconds = min(seconds, HURRY_SECONDS) if hurry else seconds
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._kill()
            self._warn_of(f"did not take the rest within {seconds:g} s")
            return
        if code not in (0, WARNED):
            self._warn_of(f"ended with exit code {code} (see {self.attempt / 'tracker.log'})")

    def _warn_of(self, what: str) -> None:
        self._warn(f"{what}; steps up to {read_sent(self.run).step} are there")

    def _warn(self, text: str) -> None:
        # On a full disk, or where a newer attempt has begun, the log has to do.
        with suppress(Exception):
            warn(self.run, f"tracker {self.tracker.kind} {text}")

    def _kill(self) -> None:
        """End the follower with whatever it started (wandb has a service of its own)."""
        assert self.process is not None
        family: list[psutil.Process] = []
        with suppress(psutil.Error):
            family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for process in family:
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()
