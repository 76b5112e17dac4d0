"""How a run gets its processes. Built on submitit; nothing of training in here."""

from launchers.base import Job, JobSpec, Launcher, Rank
from launchers.local import LocalLauncher, found
from launchers.slurm import SlurmError, SlurmJob, SlurmLauncher, SlurmOptions


def job_of(cluster: str, job_id: str) -> Job:
    """A job handed over earlier, by its id: `cluster` is the kind of launcher that started it."""
    return SlurmJob(job_id) if cluster == "slurm" else found(job_id)


__all__ = [
    "Job", "JobSpec", "Launcher", "LocalLauncher", "Rank", "SlurmError", "SlurmJob", "SlurmLauncher",
    "SlurmOptions", "job_of",
]  # fmt: skip
