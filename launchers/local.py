"""Ranks as processes of this machine, through submitit's local executor.

Two things differ from submitit's own controller: a rank that fails ends the others (they would wait for it
in a collective for half an hour), and the job has a session of its own, so that Ctrl-C reaches the command
that follows it and not the ranks, and closing the terminal ends nothing.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import submitit
from submitit.local.local import LocalExecutor, LocalJob

from launchers.base import Job, JobSpec
from launchers.local_processes import running

CONTROLLER = "launchers.local_controller"


@dataclass(slots=True)
class LocalProcess:
    """A running local job; `id` is the process id of its controller, the leader of its own session."""

    id: str
    process: subprocess.Popen[bytes]

    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            self.process.send_signal(number)


class _Executor(LocalExecutor):
    """submitit's local executor with our controller in place of its own."""

    def __init__(self, folder: Path, spec: JobSpec):
        super().__init__(folder)
        self._spec = spec

    def _submit_command(self, command: str) -> LocalJob[None]:
        spec = self._spec
        env = {
            **os.environ,
            **spec.env,
            "SUBMITIT_EXECUTOR": "local",
            "SUBMITIT_LOCAL_NTASKS": str(spec.tasks_per_node),
            "SUBMITIT_LOCAL_NODEID": "0",
            "SUBMITIT_LOCAL_JOB_NUM_NODES": "1",
        }
        with (spec.log_dir / "launcher.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", CONTROLLER, str(spec.log_dir), command],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return LocalJob(
            folder=self.folder,
            job_id=str(process.pid),
            process=process,
            tasks=list(range(spec.tasks_per_node)),
        )


class LocalLauncher:
    """One node: this one."""

    def submit(self, spec: JobSpec) -> Job:
        if spec.nodes != 1:
            raise ValueError(f"the local launcher has one node, not {spec.nodes}")
        spec.log_dir.mkdir(parents=True, exist_ok=True)
        executor = _Executor(spec.log_dir / "submitit", spec)
        job: submitit.Job[None] = executor.submit(spec.function)
        assert isinstance(job, LocalJob) and job._process is not None
        return LocalProcess(job.job_id, job._process)


@dataclass(slots=True)
class FoundProcess:
    """A local job that another shell started."""

    id: str

    def alive(self) -> bool:
        return psutil.pid_exists(int(self.id))

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(int(self.id), signal.SIGTERM)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(int(self.id), signal.SIGKILL)


def found(job_id: str) -> Job:
    """The local job of that id, which `is_alive` has to have said lives."""
    return FoundProcess(job_id)


def is_alive(job_id: str | None, run_dir: Path) -> bool:
    """Whether anything of local job `job_id` of the run in `run_dir` runs on this machine, from any shell."""
    return job_id is not None and bool(running([(job_id, run_dir.name)]))
