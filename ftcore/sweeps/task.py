"""The program on the first node of an array's task: its trials, one after another.

Run by the batch script as `python -P -m ftcore.sweeps.task SWEEP SUBMISSION -- srun ...`; what it does for
each trial is `ftcore.batch`. Imports no torch.
"""

import os
import re
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

ENDING = re.compile(r"\*\*\* JOB \S+ ON \S+ CANCELLED AT")
"""In a job's log: Slurm ends it here (requeue, preemption, scancel, time limit). The first node's program
goes on for KillWait seconds after that, in which no further step can be started."""


def main(arguments: list[str]) -> int:
    path, submission, *rest = arguments
    sweep = SweepDirectory(Path(path))
    entries = {entry.number: entry for entry in trials(sweep)}
    life = Life(sweep, rest)
    numbers = read_json(sweep.logs / submission / TASKS)[life.task]
    codes = []
    for number in numbers:
        if life.over():
            return 1
        codes.append(life.trial(sweep.run(entries[number])))
    return max(codes, default=0)


class Life:
    """One start of an array's task, up to its end or to where Slurm takes the job back."""

    def __init__(self, sweep: SweepDirectory, rest: list[str]) -> None:
        array, self.task = os.environ["SLURM_ARRAY_JOB_ID"], int(os.environ["SLURM_ARRAY_TASK_ID"])
        self.job = f"{array}_{self.task}"
        self._rest, self._log = rest, sweep.logs / f"slurm-{self.job}.log"
        self._written = self._log.stat().st_size if self._log.exists() else 0
        self._taken_back = False

    def over(self) -> bool:
        """Whether Slurm ends it: what were begun now would fail through no fault of its own."""
        return self._taken_back or bool(ENDING.search(batch.said_since(self._log, self._written)))

    def trial(self, run: RunDirectory) -> int:
        """One trial, unless an earlier life of this job has seen to it; the exit code of `ftcore.batch`."""
        entry = record.read(run)
        seen_to = any(attempt.get("job_id") == self.job for attempt in entry["attempts"])
        never = entry["state"] == "cancelled" and not entry["attempts"]
        if entry["state"] == "completed" or never or (seen_to and entry["state"] in DONE):
            return 0
        logs = run.path / "logs"
        logs.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            # One file under two names: what Slurm writes of the task is where a run's log is looked for.
            os.link(self._log, logs / self._log.name)
        os.environ[RUN] = str(run.path.absolute())
        code = batch.main([str(run.path.absolute()), NEXT, *self._rest])
        after = record.read(run)
        # A preempted run without another attempt has had as many as it may: the next trial's turn.
        if after["state"] == "preempted" and len(after["attempts"]) > len(entry["attempts"]):
            self._taken_back = True
        return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
