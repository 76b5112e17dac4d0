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
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ftcore.config.compose import load
from ftcore.runs import attempt_files, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, write_json
from ftcore.runs.reconcile import OPEN_STATES, reconcile, written_failures
from ftcore.runs.verdict import OUT_OF_TIME
from ftcore.worker import ATTEMPT, NEXT
from launchers import slurm_queue
from launchers.local_controller import EXITS
from launchers.slurm import LOGS

ENDED = re.compile(
    r"^srun: error: (\S+): tasks? ([\d,\- ]+): (?:Exited with exit code (\d+)|(\w[\w ]*))", re.M
)
SIGNALS = {"Killed": signal.SIGKILL, "Terminated": signal.SIGTERM, "Segmentation fault": signal.SIGSEGV,
           "Aborted": signal.SIGABRT, "Bus error": signal.SIGBUS,
           "User defined signal 2": signal.SIGUSR2}  # fmt: skip
"""How srun names what ended a task."""

CANCELLED = re.compile(r"\*\*\* JOB \d+ ON \S+ CANCELLED AT \S+ \*\*\*")
"""scancel, past ftcore; where Slurm itself ends a job, it says here what that is due to."""

NODE_FAILED = re.compile(r"^srun: error: Node failure on (\S+)", re.M)
"""Slurm has given up a node. Where it is this one, only its daemon is silent: what runs here goes on."""

TAKEN_BACK = re.compile(r"\*\*\* JOB \S+ ON \S+ CANCELLED AT \S+ DUE TO (JOB REQUEUE|PREEMPTION)")

NOTICED_AFTER_SECONDS = 5.0


def main(arguments: list[str]) -> int:
    path, first, _, *srun = arguments
    run, restarts = RunDirectory(Path(path)), int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    for number in (signal.SIGTERM, signal.SIGUSR2):
        # They are for the ranks; this process has to outlive them, to write down how they ended.
        signal.signal(number, lambda *_: None)
    if restarts and record.read(run)["attempts"]:
        number = begin_again(run)
    else:
        number = begin(run) if first == NEXT else int(first)
    if number is None:
        return 1
    logs = run.attempt(number)
    logs.mkdir(parents=True, exist_ok=True)
    log = run.path.absolute() / "logs" / f"slurm-{_job_id()}.log"
    written = log.stat().st_size if log.exists() else 0
    code = ranks([word.replace(LOGS, str(logs)) for word in srun], number, logs)
    try:
        return conclude(replace(run, writer=number), logs, lambda: said_since(log, written), code)
    except record.Superseded as superseded:
        print(f"run {run.id}: {superseded}", file=sys.stderr, flush=True)
        return 1


def conclude(run: RunDirectory, logs: Path, said: Callable[[], str], code: int) -> int:
    """Write down how an attempt ended whose srun ended with `code`, and queue it again where that is due;
    the exit code. `said` gives what Slurm wrote into the job's log meanwhile."""
    with record.turn(run):
        pass  # an attempt that Slurm believes dead has nothing to say of the one that runs now
    entry = reconcile(run)
    if entry["state"] == "failed" and (reason := interrupted(entry, logs, said())):
        record.end_attempt(run, "preempted", reason)
        entry = record.read(run)
    attempt = entry["attempts"][-1]
    if entry["state"] == "preempted" and not read_json(logs / attempt_files.STOP):
        if CANCELLED.search(said()):
            record.end_attempt(run, "cancelled", "scancel")
            return 1
        # A job that does not save in time would use up its attempts so.
        return 1 if attempt["reason"] == OUT_OF_TIME else queue_again(run)
    return 0 if attempt["state"] == "completed" else code or 1


def interrupted(entry: record.Record, logs: Path, said: str) -> str | None:
    """Why ranks that failed are not to blame; None where they are."""
    if lost := NODE_FAILED.findall(said) or lost_nodes(entry, logs):
        # The ranks elsewhere may notice before Slurm does, which waits minutes for a node's answer.
        return f"no word from {', '.join(dict.fromkeys(lost))}: lost"
    if taken := TAKEN_BACK.search(said):
        return f"ended by Slurm: {taken[1].lower()}"
    codes = [end["code"] for end in (read_json(logs / EXITS) or {}).values()]
    if -signal.SIGUSR2 in codes and not written_failures(logs):
        return "signal SIGUSR2, before the ranks had begun"
    return None


def ranks(command: list[str], number: int, logs: Path) -> int:
    """Start the ranks and wait for them; srun's exit code. What it says of tasks goes into `exits.json`."""
    env = {**os.environ, ATTEMPT: str(number)}
    exits: dict[str, dict[str, object]] = {}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True, errors="replace") as srun:
        assert srun.stderr is not None
        for line in srun.stderr:
            sys.stderr.write(line)
            sys.stderr.flush()
            # srun tells of the first death some time after it: those that follow from it may be written
            # down before.
            heard = time.time() - (0 if exits else NOTICED_AFTER_SECONDS)
            if new := {rank: end for rank, end in task_exits(line, heard).items() if rank not in exits}:
                exits |= new
                with suppress(OSError):  # a full disk: the ranks must be waited for all the same
                    write_json(logs / EXITS, exits)
    return srun.returncode


def task_exits(said: str, time: float) -> dict[str, dict[str, object]]:
    """Rank -> {code, time, node} of the tasks that srun says ended badly; code -N for signal N."""
    exits: dict[str, dict[str, object]] = {}
    for node, tasks, code, name in ENDED.findall(said):
        number = int(code) if code else -SIGNALS.get(name.strip(), signal.SIGKILL)
        for rank in _numbers(tasks):
            exits.setdefault(str(rank), {"code": number, "time": time, "node": node})
    return exits


def said_since(log: Path, size: int) -> str:
    """What Slurm and srun wrote into the job's log after its first `size` bytes."""
    return log.read_bytes()[size:].decode(errors="replace") if log.exists() else ""


def lost_nodes(entry: record.Record, logs: Path) -> list[str]:
    """Nodes whose ranks all vanished: none wrote down a failure, and srun saw none of them end.

    A node that answers is never among them, since srun tells how each of its tasks ended.
    """
    nodes, size = entry["attempts"][-1]["nodes"], entry["launch"]["tasks_per_node"]
    told = set(read_json(logs / EXITS) or {})
    told |= {str(failure["rank"]) for failure in written_failures(logs)}
    if not told:
        return []
    ranks_of = {node: {str(rank) for rank in range(i * size, (i + 1) * size)} for i, node in enumerate(nodes)}
    return [node for node, own in ranks_of.items() if not own & told]


def begin_again(run: RunDirectory) -> int | None:
    """The attempt that a requeued job makes; None where the run has had as many as it may."""
    entry = record.read(run)
    if entry["attempts"][-1]["state"] in OPEN_STATES:
        record.end_attempt(run, "preempted", "the job was put back into the queue (node lost, or preempted)")
    e = load(run.config)
    limit = getattr(e.cluster, "attempts", 1)
    made = sum(1 for attempt in entry["attempts"] if attempt.get("job_id") == _job_id())
    if made >= limit:
        reason = f"{made} attempts in this job, and cluster.attempts={limit}"
        record.end_attempt(run, "preempted", reason)
        return None
    return begin(run)


def begin(run: RunDirectory) -> int:
    """Another attempt, by this job; its number."""
    number = record.begin_attempt(run)
    record.hand_to(run, _job_id())
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
