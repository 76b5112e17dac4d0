"""All that is to be seen of a sweep at one moment: its rows, what is under way, what waits and why."""

import os
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json
from ftcore.sweeps import directory, failures, table, workers
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.overview import WAITING, overview
from ftcore.sweeps.table import Row


class Look:
    """All that is to be seen of a sweep at one moment."""

    def __init__(self, sweep: SweepDirectory) -> None:
        self.sweep, self.told = sweep, directory.read(sweep)
        self.aim = table.objective(self.told)
        self.rows = table.rows(sweep)
        self.progress = {
            row.number: found
            for row in self.rows
            if row.state == "running" and (found := read_json(_run(sweep, row).progress))
        }
        now = datetime.now().astimezone()
        to_come = workers.to_come(sweep, len(self.rows))
        self.whole = overview(self.rows, self.aim, self.progress, now, to_come)
        self.searches = workers.is_search(sweep)
        self.waits = _waits(self)
        self.groups = failures.grouped(self.rows, ("failed", "gone"))

    @property
    def over(self) -> bool:
        """Whether nothing of it waits or runs."""
        if any(row.state == "running" for row in self.rows):
            return False
        return not self.waits and not _controlled(self)

    @property
    def stopping(self) -> bool:
        """Whether a search was cancelled and its workers have not ended yet."""
        return self.searches and workers.stop_file(self.sweep).exists() and not self.over

    @property
    def missing(self) -> bool:
        """Whether `resume` has something to do, once it is over."""
        if self.searches:  # to which a trial that failed is a result
            return workers.left(self.sweep) > 0
        return any(row.state in ("failed", "cancelled", "preempted", "created") for row in self.rows)


def plain(look: Look) -> dict[str, Any]:
    """What `status --json` prints."""
    view, best = look.whole, look.whole.best
    return {
        **look.told,
        "counts": dict(view.counts),
        "total": view.total,
        "to_come": view.to_come,
        "over": view.over,
        "done": view.done,
        "seconds_left": view.seconds_left,
        "going_on": not look.over,
        "stopping": look.stopping,
        "objective": {"key": look.aim.key, "maximize": look.aim.maximize},
        "best": None if best is None else _plain(best, look),
        "waiting": dict(look.waits),
        "failures": [
            {"state": one.state, "reason": one.kind, "trials": [row.number for row in one.rows]}
            for one in look.groups
        ],
        "standing": [_plain(row, look) for row in look.rows],
    }


def _plain(row: Row, look: Look) -> dict[str, Any]:
    value = row.value if row.scored or row.value is None else str(row.value)
    progress = look.progress.get(row.number)
    return {
        "trial": row.number,
        "run": row.run,
        "point": dict(row.point),
        "state": row.state,
        "value": value,
        "reason": row.reason,
        "progress": progress,
    }


def _waits(look: Look) -> Mapping[str, int]:
    """Why trials (of a search on Slurm, its workers) wait -> how many."""
    waiting = [row for row in look.rows if row.state in WAITING]
    if look.told["cluster"] == "slurm":
        from launchers import slurm_queue

        jobs = [job["id"] for job in look.told["jobs"]]
        asks = jobs and (waiting or look.searches)
        return Counter(reason for _, reason in slurm_queue.array_reasons(jobs)) if asks else {}
    return {"for an accelerator of this machine": len(waiting)} if waiting and _controlled(look) else {}


def _controlled(look: Look) -> bool:
    """Whether anything is there that works through the sweep."""
    if look.told["cluster"] == "slurm":
        from launchers import slurm_queue

        return bool(slurm_queue.array_tasks([job["id"] for job in look.told["jobs"]]))
    from launchers.local import is_alive

    jobs = [job for job in look.told["jobs"] if job.get("host") in (None, os.uname().nodename)]
    return any(is_alive(job["id"], look.sweep.path) for job in jobs)


def _run(sweep: SweepDirectory, row: Row) -> RunDirectory:
    return RunDirectory(sweep.runs_dir / row.run)
