"""Trials of a sweep, one after another in this one process: to start one takes ten times as long as a tiny
training.

    python -m tests.integration.one_process SWEEP
"""

import os
import sys
from pathlib import Path

from ftcore.runs import record
from ftcore.sweeps import directory
from ftcore.sweeps.directory import SweepDirectory
from ftcore.worker import Worker

RANK = {
    "SUBMITIT_EXECUTOR": "local", "SUBMITIT_LOCAL_NTASKS": "1", "SUBMITIT_LOCAL_NODEID": "0",
    "SUBMITIT_LOCAL_JOB_NUM_NODES": "1", "SUBMITIT_LOCAL_LOCALID": "0", "SUBMITIT_LOCAL_GLOBALID": "0",
    "SUBMITIT_LOCAL_JOB_ID": "1",
}  # fmt: skip
"""What a launcher tells the only rank of a job."""


def main(path: str) -> None:
    os.environ.update(RANK)
    sweep = SweepDirectory(Path(path))
    for entry in directory.trials(sweep):
        run = sweep.run(entry)
        number = record.begin_attempt(run)
        run.attempt(number).mkdir(parents=True)
        Worker(os.getcwd(), str(run.path.absolute()), number)()


if __name__ == "__main__":
    main(sys.argv[1])
