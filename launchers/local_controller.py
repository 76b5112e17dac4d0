"""The process above a local job's ranks: starts them, passes signals on, ends all when one fails.

Run as `python -m launchers.local_controller LOG_DIR COMMAND`.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

POLL_SECONDS = 0.05
EXITS = "exits.json"
"""How ranks ended, in order: {rank: {code, time}}; code -N for signal N, time in seconds of the epoch."""

GRACE_SECONDS = 10.0
"""Given to the other ranks to write down their own failure before they are ended."""


class Controller:
    """Ranks of one local job."""

    def __init__(self, log_dir: Path, command: list[str]):
        self.log_dir, self.command = log_dir, command
        self.tasks: list[subprocess.Popen[bytes]] = []
        self.exits: dict[int, dict[str, float]] = {}

    def start(self, count: int) -> None:
        for rank in range(count):
            env = {
                **os.environ,
                "SUBMITIT_LOCAL_LOCALID": str(rank),
                "SUBMITIT_LOCAL_GLOBALID": str(rank),
                "SUBMITIT_LOCAL_JOB_ID": str(os.getpid()),
            }
            out, err = (self.log_dir / f"rank{rank}.{end}" for end in ("out", "err"))
            with out.open("ab") as stdout, err.open("ab") as stderr:
                self.tasks.append(subprocess.Popen(self.command, env=env, stdout=stdout, stderr=stderr))

    def forward(self, number: int, _frame: FrameType | None = None) -> None:
        for task in self.tasks:
            if task.poll() is None:
                task.send_signal(number)

    def wait(self) -> int:
        """The first exit code that is not 0, once no rank runs any more; `exits.json` has all of them."""
        ended_at = float("inf")
        while len(self.exits) < len(self.tasks):
            if self._collect() and time.monotonic() + GRACE_SECONDS < ended_at and self._first_failure():
                ended_at = time.monotonic() + GRACE_SECONDS
            if time.monotonic() > ended_at:
                self.forward(signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        return self._first_failure()

    def _collect(self) -> bool:
        """Note ranks that have ended since the last look; whether there were any."""
        ended = {
            rank: task.returncode
            for rank, task in enumerate(self.tasks)
            if rank not in self.exits and task.poll() is not None
        }
        if ended:
            self.exits |= {rank: {"code": code, "time": time.time()} for rank, code in ended.items()}
            temporary = self.log_dir / f".{EXITS}.tmp"
            try:
                temporary.write_text(json.dumps(self.exits))
                temporary.replace(self.log_dir / EXITS)
            except OSError:  # a full disk, where this has no log either: the ranks must be ended all the same
                temporary.unlink(missing_ok=True)
        return bool(ended)

    def _first_failure(self) -> int:
        return next((int(exit["code"]) for exit in self.exits.values() if exit["code"]), 0)


def main(arguments: list[str]) -> int:
    controller = Controller(Path(arguments[0]), shlex.split(arguments[1]))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, controller.forward)
    controller.start(int(os.environ["SUBMITIT_LOCAL_NTASKS"]))
    code = controller.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
