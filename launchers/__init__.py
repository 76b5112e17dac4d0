"""How a run gets its processes. Built on submitit; nothing of training in here."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from launchers.base import Job, JobSpec, Launcher, Rank
    from launchers.local import LocalLauncher
    from launchers.slurm import SlurmError, SlurmJob, SlurmLauncher, SlurmOptions

_WHERE = {
    "Job": "base", "JobSpec": "base", "Launcher": "base", "Rank": "base",
    "LocalLauncher": "local",
    "SlurmError": "slurm", "SlurmJob": "slurm", "SlurmLauncher": "slurm", "SlurmOptions": "slurm",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    # submitit takes as long to import as a listing to answer, which only asks who is still there.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"launchers.{_WHERE[name]}"), name)


def job_of(cluster: str, job_id: str) -> "Job":
    """A job handed over earlier, by its id: `cluster` is the kind of launcher that started it."""
    from launchers.local import found
    from launchers.slurm import SlurmJob

    return SlurmJob(job_id) if cluster == "slurm" else found(job_id)


__all__ = [
    "Job", "JobSpec", "Launcher", "LocalLauncher", "Rank", "SlurmError", "SlurmJob", "SlurmLauncher",
    "SlurmOptions", "job_of",
]  # fmt: skip
