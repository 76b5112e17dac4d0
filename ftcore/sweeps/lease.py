"""Who works on a trial: a file lock, held from the question for a point until its value is told.

The kernel (on a shared file system, its server) lets go of it when the process dies, however it dies; no
clock has to be compared, and a worker that is only slow keeps what it has.
"""

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

FOLDER = "leases"


class Lease:
    """The right to work on one trial; `take` gives it."""

    def __init__(self, file) -> None:
        self._file = file

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._file.close()


def take(sweep: Path, number: int, worker: str) -> Lease | None:
    """The lease of a trial, or None where another process has it."""
    path = sweep / FOLDER / str(number)
    path.parent.mkdir(exist_ok=True)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(json.dumps({"worker": worker, "host": os.uname().nodename, "pid": os.getpid()}) + "\n")
    file.flush()
    return Lease(file)


def holder(sweep: Path, number: int) -> dict[str, Any]:
    """Who took the lease of a trial last: worker, host, pid; empty where nobody did."""
    try:
        return json.loads((sweep / FOLDER / str(number)).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
