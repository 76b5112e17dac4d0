"""How a run gets its processes. Built on submitit; nothing of training in here."""

from launchers.base import Job, JobSpec, Launcher, Rank
from launchers.local import LocalLauncher

LAUNCHERS: dict[str, type[Launcher]] = {"local": LocalLauncher}
"""`cluster.kind` -> launcher."""

__all__ = ["LAUNCHERS", "Job", "JobSpec", "Launcher", "LocalLauncher", "Rank"]
