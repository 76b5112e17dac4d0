"""The program on the first node of an array's task: its trials, one after another.

Run by the batch script as `python -P -m ftcore.sweeps.task SWEEP SUBMISSION -- srun ...`; what it does for
each trial is `ftcore.batch`. Imports no torch.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from ftcore import batch
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json
from ftcore.sweeps.directory import SweepDirectory, trials
from ftcore.worker import NEXT, RUN

TASKS = "tasks.json"
"""In a submission's folder: for each task of its array, the numbers of its trials."""

DONE = ("completed", "failed", "cancelled")


def main(arguments: list[str]) -> int:
    path, submission, *rest = arguments
    sweep = SweepDirectory(Path(path))
    entries = {entry.number: entry for entry in trials(sweep)}
    task = int(os.environ["SLURM_ARRAY_TASK_ID"])
    numbers = read_json(sweep.logs / submission / TASKS)[task]
    codes = [trial(sweep.run(entries[number]), sweep, rest) for number in numbers]
    return max(codes, default=0)


def trial(run: RunDirectory, sweep: SweepDirectory, rest: list[str]) -> int:
    """One trial, unless an earlier life of this job has seen to it; the exit code of `ftcore.batch`."""
    job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    entry = record.read(run)
    seen_to = any(attempt.get("job_id") == job for attempt in entry["attempts"])
    taken_back = entry["state"] == "cancelled" and not entry["attempts"]
    if entry["state"] == "completed" or taken_back or (seen_to and entry["state"] in DONE):
        return 0
    logs = run.path / "logs"
    logs.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        # One file under two names: what Slurm writes of the task is found where a run's log is looked for.
        os.link(sweep.logs / f"slurm-{job}.log", logs / f"slurm-{job}.log")
    os.environ[RUN] = str(run.path.absolute())
    return batch.main([str(run.path.absolute()), NEXT, *rest])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
