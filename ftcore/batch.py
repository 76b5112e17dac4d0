"""The program on the first node of a queued job: one attempt of the run, and what follows from its end.

Run by the batch script as `python -P -m ftcore.batch RUN NUMBER -- srun ...`, at every start of the job: the
first one, and each time Slurm puts it back into the queue (a lost node, preemption, `scontrol requeue`) or it
does so itself (a time limit). Imports no torch.
"""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ftcore.config.compose import load
from ftcore.runs import attempt_files, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, write_json
from ftcore.runs.reconcile import OPEN_STATES, reconcile
from ftcore.worker import ATTEMPT
from launchers import slurm_queue
from launchers.local_controller import EXITS
from launchers.slurm import LOGS

ENDED = re.compile(
    r"^srun: error: (\S+): tasks? ([\d,\- ]+): (?:Exited with exit code (\d+)|(\w[\w ]*))", re.M
)
SIGNALS = {"Killed": signal.SIGKILL, "Terminated": signal.SIGTERM, "Segmentation fault": signal.SIGSEGV,
           "Aborted": signal.SIGABRT, "Bus error": signal.SIGBUS}  # fmt: skip
"""How srun names what ended a task."""


def main(arguments: list[str]) -> int:
    path, first, _, *srun = arguments
    run, restarts = RunDirectory(Path(path)), int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    for number in (signal.SIGTERM, signal.SIGUSR2):
        # They are for the ranks; this process has to outlive them, to write down how they ended.
        signal.signal(number, lambda *_: None)
    number = int(first) if restarts == 0 else begin_again(run)
    if number is None:
        return 1
    logs = run.attempt(number)
    logs.mkdir(parents=True, exist_ok=True)
    code = ranks([word.replace(LOGS, str(logs)) for word in srun], number, logs)
    entry = reconcile(run)
    if entry["state"] == "preempted" and not read_json(logs / attempt_files.STOP):
        return queue_again(run)
    return 0 if entry["state"] == "completed" else code or 1


def ranks(command: list[str], number: int, logs: Path) -> int:
    """Start the ranks and wait for them; srun's exit code. What it says of tasks goes into `exits.json`."""
    env = {**os.environ, ATTEMPT: str(number)}
    with (logs / "srun.log").open("w+", encoding="utf-8", errors="replace") as log:
        code = subprocess.run(command, env=env, stderr=log).returncode
        log.seek(0)
        said = log.read()
    sys.stderr.write(said)
    if exits := task_exits(said, (logs / "srun.log").stat().st_mtime):
        write_json(logs / EXITS, exits)
    return code


def task_exits(said: str, time: float) -> dict[str, dict[str, object]]:
    """Rank -> {code, time, node} of the tasks that srun says ended badly; code -N for signal N."""
    exits: dict[str, dict[str, object]] = {}
    for node, tasks, code, name in ENDED.findall(said):
        number = int(code) if code else -SIGNALS.get(name.strip(), signal.SIGKILL)
        for rank in _numbers(tasks):
            exits.setdefault(str(rank), {"code": number, "time": time, "node": node})
    return exits


def begin_again(run: RunDirectory) -> int | None:
    """The attempt that a requeued job makes; None where the run has had as many as it may."""
    entry = record.read(run)
    if entry["state"] in OPEN_STATES:
        record.end_attempt(run, "preempted", "the job was put back into the queue (node lost, or preempted)")
    e = load(run.config)
    limit = getattr(e.cluster, "attempts", 1)
    made = sum(1 for attempt in entry["attempts"] if attempt.get("job_id") == _job_id())
    if made >= limit:
        reason = f"{made} attempts in this job, and cluster.attempts={limit}"
        record.end_attempt(run, "preempted", reason)
        return None
    number = record.begin_attempt(run)
    record.update(run, lambda changed: changed["attempts"][-1].update(job_id=_job_id()))
    return number


def queue_again(run: RunDirectory) -> int:
    """Put this job back into the queue; Slurm ends it here."""
    print(f"run {run.id}: saved, and back into the queue", flush=True)
    with suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError):
        slurm_queue.requeue(_job_id())
        signal.pause()
    return 1


def _job_id() -> str:
    """As `scontrol requeue` takes it: an array's task by array and index."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID", "")


def _numbers(tasks: str) -> list[int]:
    found: list[int] = []
    for part in tasks.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
