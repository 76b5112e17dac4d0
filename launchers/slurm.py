"""Ranks as tasks of a Slurm job, through submitit's Slurm executor: one sbatch, one srun, one task a device.

What differs from submitit's own script, and why: the ranks' options go to srun again, since srun has not
inherited --cpus-per-task since Slurm 22.05; srun ends all ranks as soon as one fails; a program of the
caller's (`JobSpec.around`) runs srun on the first node, so that a requeued job has somebody who knows of
the attempt before; and python is started with -P, so that what is imported is what was frozen and not what
lies in the folder the job was submitted from.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from submitit.core.utils import DelayedSubmission
from submitit.slurm.slurm import SlurmExecutor

from launchers import slurm_queue
from launchers.base import Job, JobSpec

LOGS = "{logs}"
"""Stands in srun's words for the folder of the attempt's logs, which `JobSpec.around` knows."""

SIGNAL = "USR2"
ARRAY_PICKLE = "array.pkl"

ASK_SECONDS = 3.0
"""Between two questions after one job while it is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmOptions:
    """What a job asks Slurm for; None leaves it to the site."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gres: str | None = None
    time: str | None = None
    mem: str | None = None
    cpus_per_task: int = 1
    exclusive: bool = False
    nodelist: str | None = None
    exclude: str | None = None
    constraint: str | None = None
    setup: Sequence[str] = ()
    prefix: Sequence[str] = ()
    python: str | None = None
    sbatch: Sequence[str] = ()
    srun: Sequence[str] = ()
    signal_seconds: int = 180


class SlurmError(Exception):
    """Slurm refused; the text is what it said."""


@dataclass(slots=True)
class SlurmJob:
    """A job in Slurm's hands, found again by its id alone."""

    id: str
    _looked: float = field(default=-ASK_SECONDS, init=False)
    _alive: bool = field(default=True, init=False)

    def alive(self) -> bool:
        """As Slurm said at most ASK_SECONDS ago: whoever follows a job looks often, and the controller has
        others to answer."""
        if time.monotonic() - self._looked >= ASK_SECONDS:
            self._alive = slurm_queue.state(self.id) in slurm_queue.OPEN
            self._looked = time.monotonic()
        return self._alive

    def stop(self) -> None:
        """SIGTERM on every rank, which finish their step and save. A job that waits is taken back at once."""
        if slurm_queue.state(self.id) == "PENDING":
            slurm_queue.cancel(self.id)
        else:
            slurm_queue.signal(self.id, "TERM")

    def kill(self) -> None:
        slurm_queue.cancel(self.id)


class SlurmLauncher:
    """A cluster's queue."""

    def __init__(self, options: SlurmOptions) -> None:
        self.options = options

    def script(self, spec: JobSpec) -> str:
        """The batch script of `spec`, whole."""
        return script(spec, self.options)

    def try_out(self, spec: JobSpec) -> None:
        """Raises SlurmError where Slurm can tell already that it will not take `spec`; queues nothing."""
        if shutil.which("sbatch") is None:
            raise SlurmError("no sbatch on PATH: this is no login node of a Slurm cluster")
        # A folder that is there, since the run's own is not yet.
        text = re.sub(r"(?m)^#SBATCH --output=.*\n", "", self.script(spec))
        answer = subprocess.run(
            ["sbatch", "--test-only"], input=text, capture_output=True, text=True, env=clean_environment()
        )
        if answer.returncode != 0:
            raise SlurmError(_said(answer.stderr))

    def submit(self, spec: JobSpec) -> Job:
        """Queue `spec`; returns as soon as sbatch has answered. Raises SlurmError where it refuses."""
        spec.log_dir.mkdir(parents=True, exist_ok=True)
        executor = _Executor(spec, self.options)
        try:
            if spec.array:
                return SlurmJob(executor.submit_array())
            job = executor.submit(spec.function)
        except Exception as error:  # submitit raises its own types, and what sbatch wrote in their texts
            raise SlurmError(_said(str(error))) from error
        return SlurmJob(job.job_id)


class _Executor(SlurmExecutor):
    """submitit's executor with our script, started from an environment without another job's marks."""

    def __init__(self, spec: JobSpec, options: SlurmOptions) -> None:
        super().__init__(folder=submitit_folder(spec))
        self._spec, self._options = spec, options
        self.parameters = {"nodes": spec.nodes, "ntasks_per_node": spec.tasks_per_node, "time": 60}

    def submit_array(self) -> str:
        """The array's id; all its tasks read one pickle."""
        folder = submitit_folder(self._spec)
        folder.mkdir(parents=True, exist_ok=True)
        DelayedSubmission(self._spec.function).dump(folder / ARRAY_PICKLE)
        return self._submit_command(self._submitit_command_str).job_id

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        text = script(self._spec, self._options)
        if self._spec.script is not None:
            self._spec.script.write_text(text, encoding="utf-8")
        return text

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        kept = [f"{name}={value}" for name, value in clean_environment().items()]
        return ["env", "-i", *kept, "sbatch", str(submission_file_path)]


def script(spec: JobSpec, options: SlurmOptions) -> str:
    """The batch script: options, set-up lines, environment, and the ranks under `spec.around`."""
    lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in _options(spec, options))]
    lines += ["", *options.setup] if options.setup else []
    lines += ["", *(_export(name, value) for name, value in _environment(spec).items())]
    if spec.array:
        # submitit wants a pickle for each task; they are all the same.
        folder = shlex.quote(str(submitit_folder(spec)))
        task = "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
        lines += ["", f"ln -f {folder}/{ARRAY_PICKLE} {folder}/{task}_submitted.pkl"]
    words = [*_python(options), "-P", "-u", "-m", *spec.around, "--", *_srun(spec, options)]
    lines += ["", "exec " + shlex.join(words)]
    return "\n".join(lines) + "\n"


def submitit_folder(spec: JobSpec) -> Path:
    """Where submitit leaves the pickled function and takes results."""
    return spec.log_dir / "submitit"


def clean_environment() -> dict[str, str]:
    """This process's environment without the marks of a job it may run in, which sbatch would take for
    options and submitit for its own."""
    ours = ("SLURM_CONF",)
    return {
        name: value
        for name, value in os.environ.items()
        if name in ours or not name.startswith(("SLURM_", "SBATCH_", "SUBMITIT_"))
    }


def _options(spec: JobSpec, options: SlurmOptions) -> Iterator[str]:
    named: Mapping[str, str | int | None] = {
        "job-name": spec.name, "nodes": spec.nodes, "ntasks-per-node": spec.tasks_per_node,
        "cpus-per-task": options.cpus_per_task, "gres": options.gres, "mem": options.mem,
        "time": options.time, "partition": options.partition, "account": options.account,
        "qos": options.qos, "nodelist": options.nodelist, "exclude": options.exclude,
        "constraint": options.constraint,
        "output": f"{spec.log_dir.parent}/slurm-{'%A_%a' if spec.array else '%j'}.log", "open-mode": "append",
        # To the ranks, not to the shell above them: they know where a step ends.
        "signal": f"{SIGNAL}@{options.signal_seconds}",
    }  # fmt: skip
    for name, value in named.items():
        if value is not None:
            yield f"--{name}={shlex.quote(str(value))}"
    if spec.after is not None:
        yield f"--dependency=afterok:{spec.after}"
        # Otherwise it waits for ever where the first one failed.
        yield "--kill-on-invalid-dep=yes"
    elif spec.after_any is not None:
        yield f"--dependency=afterany:{spec.after_any}"
    if spec.array:
        yield f"--array=0-{spec.array - 1}" + (f"%{spec.at_once}" if spec.at_once else "")
    yield "--requeue"
    if options.exclusive:
        yield "--exclusive"
    yield from options.sbatch


def _environment(spec: JobSpec) -> dict[str, str]:
    return {**spec.env, "SUBMITIT_EXECUTOR": "slurm"}


def _export(name: str, value: str) -> str:
    # Before what the site or the user has on it, not in place of it.
    rest = "${PYTHONPATH:+:$PYTHONPATH}" if name == "PYTHONPATH" else ""
    return f"export {name}={shlex.quote(value)}{rest}"


def _python(options: SlurmOptions) -> list[str]:
    return [*options.prefix, options.python or sys.executable]


def _srun(spec: JobSpec, options: SlurmOptions) -> list[str]:
    """The ranks: LOGS in it stands for the folder of the attempt's logs."""
    return [
        "srun", "--unbuffered", "--kill-on-bad-exit=1", f"--cpus-per-task={options.cpus_per_task}",
        f"--output={LOGS}/rank%t.out", f"--error={LOGS}/rank%t.err", *options.srun,
        *_python(options), "-P", "-u", "-m", "submitit.core._submit", str(submitit_folder(spec)),
    ]  # fmt: skip


def _said(text: str) -> str:
    """What sbatch complained of, without its name before every line."""
    lines = [re.sub(r"^sbatch: (error: )?", "", line).strip() for line in text.splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line)) or "sbatch failed without a word"
