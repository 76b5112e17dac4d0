"""Doctor on the nodes of a cluster: one job of one task a node, waited for, its answers gathered.

The job is made by the launcher that makes training's, with the same partition, gres, set-up lines, prefix,
python and environment: what fails here would fail there.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from ftcore.config.compose import load, to_yaml
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.config.schema import Experiment, SlurmCluster
from ftcore.doctor.examine import examine
from ftcore.doctor.finding import ANSWER, Finding
from ftcore.jobs import refusal, slurm
from ftcore.runs import source
from ftcore.runs.files import read_json, write_json, write_text
from launchers import Job, JobSpec, SlurmError, SlurmLauncher, slurm_queue
from launchers.slurm import ASK_SECONDS, LOGS

MINUTES = 15
"""The job's time limit."""

POLL_SECONDS = 0.2
WELL = ("COMPLETED", slurm_queue.GONE)
ANSWER_SECONDS, LATE_SECONDS = 15.0, 3.0
"""For a file that a node wrote to be seen here, after the job has ended well, and otherwise."""

LINES = 15
"""Of a log, at its end: where a traceback says what was wrong."""

NAMES = "names.json"
"""The job's nodes, in the order of its tasks."""


@dataclass(frozen=True, slots=True)
class OnNode:
    """What the job's task on each node calls."""

    working_folder: str
    """Of the shell that asked; relative paths of the experiment start there."""

    folder: str

    def __call__(self) -> None:
        os.chdir(self.working_folder)
        folder = Path(self.folder)
        requirements = [Requirement(line) for line in read_json(folder / "wanted.json") or []]
        findings = examine(load(folder / "config.yaml"), requirements, node=True)
        answer = {"node": _name(), "findings": [one.plain() for one in findings]}
        write_json(folder / "answers" / f"{os.environ.get('SLURM_PROCID', '0')}.json", answer)


def on_nodes(
    e: Experiment,
    requirements: Sequence[Requirement],
    limit: float,
    say: Callable[[str], None],
    interrupted: Callable[[], bool],
) -> tuple[str, dict[str, list[Finding]]]:
    """Job id, and the findings of each node; of a node that did not answer, that, and what it wrote.

    `say` gets a line of progress now and then. `interrupted` is asked often: the job is cancelled then, and
    KeyboardInterrupt raised. Raises RequestError where Slurm refuses the job or cluster is local, WorkError
    where no node answers, or none is lent in `limit` seconds (the job is cancelled).
    """
    if not isinstance(e.cluster, SlurmCluster):
        message = "cluster=local is this machine, which doctor without --cluster looks at"
        raise RequestError([Problem("--cluster", message, "cluster=slurm, or a site's own")])
    folder = _request(e, requirements)
    try:
        job = launcher(e.cluster).submit(spec(e, folder))
    except SlurmError as error:
        shutil.rmtree(folder, ignore_errors=True)
        # Of training's own job Slurm says the same, and there the key is known.
        raise RequestError(refusal(e, e.cluster) or [Problem("cluster", f"Slurm: {error}")]) from None
    try:
        state = _wait(job, limit, folder, say, interrupted)
    except BaseException:
        job.kill()
        raise
    answers = _answers(folder, e.nodes, ANSWER_SECONDS if state in WELL else LATE_SECONDS)
    if not answers:
        raise WorkError(_silence(job.id, folder), str(folder))
    if len(answers) == e.nodes:
        shutil.rmtree(folder, ignore_errors=True)
    return job.id, _by_node(folder, answers, e.nodes)


def launcher(cluster: SlurmCluster) -> SlurmLauncher:
    """Slurm as training has it, but for a short time limit, one start, and nodes that may answer though
    another one failed."""
    options = slurm(cluster).options
    sbatch, srun = (*options.sbatch, "--no-requeue"), (*options.srun, "--kill-on-bad-exit=0")
    return SlurmLauncher(replace(options, time=f"{MINUTES}:00", sbatch=sbatch, srun=srun))


def spec(e: Experiment, folder: Path) -> JobSpec:
    """The job: one task on each of the experiment's nodes."""
    logs = folder / "logs" / "1"
    return JobSpec(
        function=OnNode(os.getcwd(), str(folder)),
        name=f"doctor-{e.name}",
        nodes=e.nodes,
        tasks_per_node=1,
        log_dir=logs,
        env={"PYTHONPATH": str(folder / "src")} | e.cluster.rank_env,
        around=("ftcore.doctor.nodes", str(folder)),
        script=folder / "submit.sh",
    )


def main(arguments: list[str]) -> int:
    """On the first node: become the srun that starts the tasks (`JobSpec.around`)."""
    folder, _, *command = Path(arguments[0]), *arguments[1:]
    with suppress(OSError, subprocess.SubprocessError):
        names = subprocess.run(["scontrol", "show", "hostnames"], capture_output=True, text=True, check=True)
        write_json(folder / NAMES, names.stdout.split())
    words = [word.replace(LOGS, str(folder / "logs" / "1")) for word in command]
    os.execvp(words[0], words)


def _request(e: Experiment, requirements: Sequence[Requirement]) -> Path:
    """A folder on the nodes' way: where runs lie, so that a runs_dir they do not see is found out."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    folder = Path(e.runs_dir).expanduser().absolute() / ".doctor" / name
    try:
        (folder / "answers").mkdir(parents=True)
        write_text(folder / "config.yaml", to_yaml(e))
        write_json(folder / "wanted.json", [str(one) for one in requirements])
        source.copy(folder / "src")
    except OSError as error:
        raise RequestError([Problem("runs_dir", f"cannot write to {folder}: {error.strerror}")]) from None
    return folder


def _wait(
    job: Job, limit: float, folder: Path, say: Callable[[str], None], interrupted: Callable[[], bool]
) -> str:
    """Returns once the job is over, how Slurm says that it ended."""
    began, last = time.monotonic(), ""
    while (now := slurm_queue.state(job.id)) in slurm_queue.OPEN:
        why = slurm_queue.reason(job.id) if now == "PENDING" else ""
        line = f"job {job.id}: {now.lower()}{f' ({why})' if why not in ('', 'None') else ''}"
        if line != last:
            say(line)
            last = line
        asked = time.monotonic()
        while time.monotonic() < asked + ASK_SECONDS:
            if interrupted():
                say(f"job {job.id}: cancelled")
                raise KeyboardInterrupt
            if time.monotonic() > began + limit:
                message = f"{line} after {limit:.0f} s; it is cancelled"
                raise WorkError(message, str(folder), "the same with --limit SECONDS, or another partition")
            time.sleep(POLL_SECONDS)
    return now


def _answers(folder: Path, nodes: int, seconds: float) -> dict[int, dict[str, Any]]:
    """What the nodes wrote, by task; waited for, since a shared filesystem may show it late."""
    deadline = time.monotonic() + seconds
    while True:
        told = {int(file.stem): read_json(file) for file in (folder / "answers").glob("*.json")}
        if len(told) >= nodes or time.monotonic() > deadline:
            return {task: answer for task, answer in told.items() if answer}
        time.sleep(POLL_SECONDS)


def _by_node(folder: Path, answers: dict[int, dict[str, Any]], nodes: int) -> dict[str, list[Finding]]:
    """Findings by the node's name, in the order of tasks."""
    names, result = read_json(folder / NAMES) or [], {}
    for task in range(nodes):
        if answer := answers.get(task):
            result[answer["node"]] = [Finding(**line) for line in answer["findings"]]
            continue
        name = names[task] if len(names) == nodes else f"task {task}"
        said = " ".join(_said([folder / "logs" / "1" / f"rank{task}.err"])) or "it wrote nothing"
        result[name] = [Finding("node", ANSWER, "missing", said, f"look into {folder / 'logs'}", own=True)]
    return result


def _silence(job_id: str, folder: Path) -> str:
    said = _said([*folder.glob("logs/slurm-*.log"), *sorted(folder.glob("logs/1/rank*.err"))])
    if not said:
        return f"job {job_id}: no node answered or wrote anything: do they see {folder.parent.parent}?"
    return "\n  ".join([f"job {job_id}: no node answered; it says:", *said])


def _said(logs: Sequence[Path]) -> list[str]:
    """The last LINES lines of the files that are there."""
    there = [log.read_text(encoding="utf-8", errors="replace") for log in logs if log.is_file()]
    return [line for text in there for line in text.splitlines() if line.strip()][-LINES:]


def _name() -> str:
    return os.environ.get("SLURMD_NODENAME") or os.uname().nodename


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
