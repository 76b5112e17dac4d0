"""What every stage is given."""

import signal
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.runs.directory import RunDirectory
from ftcore.runs.progress import Progress
from ftcore.runs.warning import warn
from ftcore.tracking.process import Tracking
from launchers import Rank

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)

Detail = dict[str, Any]


class Stopped(Exception):
    """The job was asked to end, and what had been done is saved."""


class StopRequest:
    """Set by a signal, acted on where the work can stop cleanly."""

    def __init__(self) -> None:
        self.received: str | None = None

    def install(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, self._receive)

    def __bool__(self) -> bool:
        return self.received is not None

    def check(self) -> None:
        """Raise Stopped if a stop was asked for."""
        if self:
            raise Stopped(self.received)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name


@dataclass(frozen=True, slots=True)
class Context:
    """An experiment being run on this rank."""

    experiment: Experiment
    run: RunDirectory

    attempt: Path
    """Folder of this attempt: logs, and what ranks hand to each other."""

    rank: Rank
    stop: StopRequest
    progress: Progress
    tracking: Tracking

    def warn(self, text: str) -> None:
        """Into this rank's log, and into the record for whoever follows the run."""
        warn(self.run, text)

    def report(self, done: int, total: int | None, unit: str, **shown: Any) -> None:
        """Show progress, and end here if a stop was asked for."""
        self.stop.check()
        self.progress.update(done, total, unit, **shown)
