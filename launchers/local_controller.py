"""The process above a local job's ranks: starts them, passes signals on, ends all when one fails.

Run as `python -m launchers.local_controller LOG_DIR COMMAND`.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

POLL_SECONDS = 0.05
GRACE_SECONDS = 10.0
"""Given to the other ranks to write down their own failure before they are ended."""


class Controller:
    """Ranks of one local job."""

    def __init__(self, log_dir: Path, command: list[str]):
        self.log_dir, self.command = log_dir, command
        self.tasks: list[subprocess.Popen[bytes]] = []

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
        """The first exit code that is not 0, once no rank runs any more."""
        failed_at: float | None = None
        result = 0
        while any(task.poll() is None for task in self.tasks):
            codes = [task.poll() for task in self.tasks]
            if failed_at is None and any(codes):
                failed_at = time.monotonic()
                result = next(code for code in codes if code)
            if failed_at is not None and time.monotonic() > failed_at + GRACE_SECONDS:
                self.forward(signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        return result or next((code for task in self.tasks if (code := task.returncode)), 0)


def main(arguments: list[str]) -> int:
    controller = Controller(Path(arguments[0]), shlex.split(arguments[1]))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, controller.forward)
    controller.start(int(os.environ["SUBMITIT_LOCAL_NTASKS"]))
    code = controller.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
