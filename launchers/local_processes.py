"""Which local jobs still run, by the processes of this machine."""

import os
from collections.abc import Collection

import psutil


def running(jobs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of `jobs`, (job id, name of the run's folder) each, those of which anything runs here: one look at the
    processes for all of them.

    A job's id is its process group, all of which counts, since ranks can outlive a controller that was
    killed. Process ids are given out again: a command line must name the run too.
    """
    wanted: dict[int, list[tuple[str, str]]] = {}
    for job in jobs:
        if job[0].isdigit():
            wanted.setdefault(int(job[0]), []).append(job)
    found: set[tuple[str, str]] = set()
    if not wanted:
        return found
    for pid in psutil.pids():
        try:
            if (group := os.getpgid(pid)) in wanted:
                found.update(job for job in wanted[group] if _names(psutil.Process(pid), job[1]))
        except (OSError, psutil.Error):
            continue
    return found


def _names(process: psutil.Process, name: str) -> bool:
    return process.status() != psutil.STATUS_ZOMBIE and any(name in word for word in process.cmdline())
