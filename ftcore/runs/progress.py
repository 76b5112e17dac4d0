"""`progress.json`: where a run is right now, for whoever follows it."""

import time
from pathlib import Path
from typing import Any

from ftcore.runs.files import write_json

INTERVAL_SECONDS = 0.2
"""A file is replaced at most this often; a shared file system has other work to do."""


class Progress:
    """The worker's side; only rank 0 writes."""

    def __init__(self, path: Path, active: bool) -> None:
        self.path, self.active = path, active
        self.stage = "start"
        self.started = time.time()
        self._written = 0.0

    def begin(self, stage: str) -> None:
        """A stage begins; nothing of it is done."""
        self.stage, self.started, self._written = stage, time.time(), 0.0
        self.update(0, None, "")

    def update(self, done: int, total: int | None, unit: str, **shown: Any) -> None:
        """`done` of `total` `unit`s; `shown` are figures to show beside the bar."""
        finished = total is not None and done >= total
        if not self.active or (time.time() - self._written < INTERVAL_SECONDS and not finished):
            return
        self._written = time.time()
        state = {
            "stage": self.stage,
            "started": self.started,
            "done": done,
            "total": total,
            "unit": unit,
            "shown": shown,
            "time": self._written,
        }
        write_json(self.path, state, durable=False)
