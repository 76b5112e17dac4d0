"""Tiny experiments on the test cluster."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ftcore.runs import metrics, record
from ftcore.runs.directory import RunDirectory
from tests.fixtures.tiny import Tiny
from tests.slurm.cluster import Cluster

ENDED = ("completed", "failed", "cancelled")
LONG = {"max_steps": 400, "checkpoint__every": 20}
"""Long enough to be disturbed."""

SLOW = {"max_steps": 400, "checkpoint__every": 320, "optim__gradient_accumulation": 32}
"""Long enough for a minute's time limit, and for Slurm to notice that a node is silent."""


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Site:
    """A person's view on the cluster: the command line, with this cluster's programs."""

    cluster: Cluster
    tiny: Tiny
    runs: Path

    def ftcore(self, *words: str, cwd: Path | None = None, **env: str) -> Answer:
        """`python -m ftcore WORDS` from a login node."""
        process = subprocess.run(
            [sys.executable, "-m", "ftcore", *map(str, words)], capture_output=True, text=True, timeout=300,
            cwd=cwd or Path.cwd(), env={**os.environ, **self.cluster.env, **env},
        )  # fmt: skip
        return Answer(process.returncode, process.stdout, process.stderr)

    def words(self, nodes: int = 2, devices: int = 1, **changed: Any) -> list[str]:
        """A tiny experiment on so many nodes; keywords with `__` for dots change it."""
        cluster = {
            "cluster": "slurm", "cluster.cpus_per_task": 1, "cluster.time": "20:00", "nodes": nodes,
            "hardware.devices_per_node": devices, "+cluster.env.GLOO_SOCKET_IFNAME": "lo",
            "+cluster.env.OMP_NUM_THREADS": 1,
        }  # fmt: skip
        own = [f"{key}={value}" for key, value in cluster.items()]
        # What a test changes comes last, and wins.
        return [*own, *self.tiny.overrides(self.runs, **changed), "--again"]

    def submit(self, nodes: int = 2, devices: int = 1, **changed: Any) -> RunDirectory:
        """A run in the queue."""
        answer = self.ftcore(*self.words(nodes, devices, **changed), "--json")
        assert answer.code == 0, answer.err
        entry = answer.json
        return RunDirectory(self.runs / entry["name"] / entry["id"])

    def ended(self, run: RunDirectory, timeout: float = 300) -> record.Record:
        """The record once the run is over for good: its job too, which has the last word on what ended it."""

        def over() -> bool:
            return record.read(run)["state"] in ENDED and not self.cluster.squeue("-j", job(run))

        wait_for(over, timeout)
        return record.read(run)

    def at_step(self, run: RunDirectory, step: int) -> None:
        """Returns once the run has made that many steps."""
        wait_for(lambda: len(metrics.read(run.metrics)) >= step)


def rank_processes(run: RunDirectory) -> list[psutil.Process]:
    """The processes of a run's ranks, of rank 0 first."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if (
                words
                and not {"srun", "ftcore.batch"} & {*words}
                and "submitit.core._submit" in words
                and run.id in words[-1]
            ):
                found.append((int(process.environ()["SLURM_PROCID"]), process))
        except (psutil.Error, OSError):
            continue
    return [process for _, process in sorted(found, key=lambda one: one[0])]


def job(run: RunDirectory) -> str:
    return record.read(run)["launch"]["job_id"]


def losses(run: RunDirectory) -> list[tuple[int, float]]:
    """Step and loss, in the order written."""
    return [(line["step"], line["loss"]) for line in metrics.read(run.metrics)]


def wait_for(ready: Callable[[], Any], timeout: float = 300) -> None:
    """Returns once `ready()` is true."""
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.1)
