"""What the tests of submitit submit: pickled by name, so a node must be able to import it."""

import os
import socket
import time

import submitit


def where() -> tuple[int, str, str]:
    """Rank, host, and the address of the first node."""
    environment = submitit.JobEnvironment()
    first = socket.gethostbyname(environment.hostnames[0])
    return environment.global_rank, socket.gethostname(), first


class Counts(submitit.helpers.Checkpointable):
    """Counts its lives in what it saves."""

    def __init__(self) -> None:
        self.saved = 0

    def __call__(self, seconds: int) -> tuple[int, str | None]:
        time.sleep(seconds)
        return self.saved, os.environ.get("SLURM_RESTART_COUNT")

    def checkpoint(self, seconds: int) -> submitit.helpers.DelayedSubmission:
        self.saved += 1
        return submitit.helpers.DelayedSubmission(self, 1)
