"""What Slurm says of jobs, with and without accounting."""

import getpass
import re
import subprocess
from collections.abc import Sequence

UNKNOWN = "UNKNOWN"
"""Slurm does not answer: no squeue here, or a controller that is down."""

OPEN = (
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD",
    "SIGNALING", "STAGE_OUT", "RESIZING", UNKNOWN,
)  # fmt: skip
"""States in which a job may still do something."""

GONE = "GONE"
"""Neither queue nor accounting knows the job: it ended some time ago."""

ANSWER_SECONDS = 60

IDS_AT_ONCE = 500
"""Job ids in one question; a command line has its limits."""


def state(job_id: str) -> str:
    """Slurm's state of the job, GONE or UNKNOWN."""
    return states([job_id]).get(job_id, UNKNOWN)


def states(job_ids: Sequence[str], patience: float = ANSWER_SECONDS) -> dict[str, str]:
    """Slurm's state of each job, or GONE. From the queue; from accounting for those the queue has forgotten.

    Where Slurm does not answer within `patience` seconds, what it did not tell of is left out.
    """
    told: dict[str, str] = {}
    for start in range(0, len(job_ids), IDS_AT_ONCE):
        asked = job_ids[start : start + IDS_AT_ONCE]
        queued = _queued(asked, patience)
        if queued is None:
            break
        told |= queued
        if forgotten := [job_id for job_id in asked if job_id not in queued]:
            ended = _accounted(forgotten, patience)
            told |= {job_id: ended.get(job_id, GONE) for job_id in forgotten}
    return told


def _queued(job_ids: Sequence[str], patience: float) -> dict[str, str] | None:
    command = ("squeue", "-h", "-r", "-j", ",".join(job_ids), "-o", "%i|%T")
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Of a single job that it has forgotten, squeue says so and fails; among several it passes over them.
    if answer.returncode != 0 and "Invalid job id" not in answer.stderr:
        return None
    return _table(answer.stdout)


def _accounted(job_ids: Sequence[str], patience: float) -> dict[str, str]:
    command = ("sacct", "-n", "-X", "-P", "-j", ",".join(job_ids), "-o", "JobID,State")
    return _table(_ask(*command, patience=patience))


def _table(text: str) -> dict[str, str]:
    """Lines of `id|state`; a requeued job's last line counts, and `CANCELLED by 1000` is CANCELLED."""
    pairs = (line.strip().partition("|") for line in text.splitlines())
    return {job_id: state.split()[0] for job_id, _, state in pairs if state.strip()}


def reason(job_id: str) -> str:
    """Why a job waits, in Slurm's words (`Resources`, `Priority`); empty where it does not."""
    waiting = _ask("squeue", "-h", "-j", job_id, "-o", "%r")
    return waiting.splitlines()[0].strip() if waiting else ""


def cancel(job_id: str) -> None:
    """scancel; a job that is over already is left alone."""
    subprocess.run(["scancel", job_id], capture_output=True, timeout=ANSWER_SECONDS)


def signal(job_id: str, name: str) -> None:
    """Send a signal to every rank of the job."""
    subprocess.run(["scancel", f"--signal={name}", job_id], capture_output=True, timeout=ANSWER_SECONDS)


def requeue(job_id: str) -> None:
    """Put a running job back into the queue; it is ended where it runs."""
    subprocess.run(["scontrol", "requeue", job_id], check=True, capture_output=True, timeout=ANSWER_SECONDS)


def partitions() -> list[str]:
    """Names of the cluster's partitions; none where it does not answer."""
    return [name.rstrip("*") for name in _ask("sinfo", "-h", "-o", "%P").split()]


def time_limit(partition: str | None) -> str | None:
    """The longest that a job of the partition (None: the default one) may take; None where nothing is set."""
    for line in _ask("sinfo", "-h", "-o", "%P|%l", *_of(partition)).splitlines():
        name, _, limit = line.partition("|")
        if partition is not None or name.endswith("*"):
            return None if limit in ("infinite", "n/a") else limit
    return None


def largest(partition: str | None) -> str:
    """What the nodes of a partition have, for a message: `6 nodes of up to 32 CPUs, 120000 MB, dcu:4`."""
    lines = [
        line.split("|")
        for line in _ask("sinfo", "-h", "-N", "-o", "%N|%c|%m|%G", *_of(partition)).splitlines()
    ]
    nodes = {
        name: (int(cpus.rstrip("+")), int(memory.rstrip("+")), gres) for name, cpus, memory, gres in lines
    }
    if not nodes:
        return ""
    cpus, memory = (max(node[index] for node in nodes.values()) for index in (0, 1))
    gres = ", ".join(sorted({node[2] for node in nodes.values()} - {"(null)"}))
    return f"{len(nodes)} nodes of up to {cpus} CPUs, {memory} MB" + (f", {gres}" if gres else "")


def seconds(time: str) -> int:
    """Slurm's time format in seconds: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S."""
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, secs = (*parts, 0, 0)[:3]
        return ((int(days) * 24 + hours) * 60 + minutes) * 60 + secs
    if len(parts) == 3:
        return (parts[0] * 60 + parts[1]) * 60 + parts[2]
    return parts[0] * 60 + (parts[1] if len(parts) == 2 else 0)


def _of(partition: str | None) -> list[str]:
    return ["-p", partition] if partition else []


def _ask(*words: str, patience: float = ANSWER_SECONDS) -> str:
    try:
        answer = subprocess.run(words, capture_output=True, text=True, timeout=patience)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def cancel_waiting(job_id: str) -> None:
    """Take back the tasks of an array that have not begun."""
    subprocess.run(["scancel", "--state=PENDING", job_id], capture_output=True, timeout=ANSWER_SECONDS)


def array_size() -> int:
    """Tasks that one array may have; Slurm's default where the cluster does not say."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config"), re.M)
    return max(1, int(found[1])) if found else 1000


def submit_room() -> int | None:
    """Further jobs that this user may have in the queue, an array's tasks counted singly; None where there
    is no limit, or no accounting that knows of one."""
    told = _ask("sacctmgr", "-n", "-P", "show", "assoc", f"user={getpass.getuser()}", "format=MaxSubmitJobs")
    limits = [int(line) for line in told.splitlines() if line.strip().isdigit()]
    if not limits:
        return None
    queued = _ask("squeue", "-h", "-r", "-u", getpass.getuser(), "-o", "%i")
    return max(0, min(limits) - len(queued.splitlines()))


def array_tasks(jobs: Sequence[str]) -> list[tuple[str, int, str]]:
    """Array, task and state of every task of those arrays that waits or runs."""
    if not jobs:
        return []
    told = _ask("squeue", "-h", "-r", "-j", ",".join(jobs), "-o", "%F|%K|%T")
    rows = (line.strip().split("|") for line in told.splitlines())
    return [(job, int(task), state) for job, task, state in rows if task.isdigit()]


def array_reasons(jobs: Sequence[str]) -> list[tuple[str, str]]:
    """Array and, in Slurm's words (`Resources`, `JobArrayTaskLimit`), why a task of it waits: one a task."""
    told = _ask("squeue", "-h", "-r", "-t", "PENDING", "-j", ",".join(jobs), "-o", "%F|%r") if jobs else ""
    pairs = (line.strip().partition("|") for line in told.splitlines())
    return [(job, reason) for job, _, reason in pairs if reason]
