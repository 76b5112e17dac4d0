"""Whether the jobs of runs still wait or run, asked for many at once and from any machine."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ftcore.runs.flat import Flat

HANDING_OVER = timedelta(seconds=90)
"""An attempt this young may be one that its launcher is giving a job: sbatch takes a second, or many."""

PATIENCE_SECONDS = 15.0
"""For a cluster's controller to answer; what it does not tell of by then is unknown."""


class Life(StrEnum):
    """What can be known of a run's job from here."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"
    """It runs where this machine cannot see: on another host, or in a queue that does not answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's newest attempt was handed over."""

    run_id: str
    cluster: str
    job_id: str | None
    host: str | None
    """The machine whose processes a local job is; None in records that do not say."""

    handed_over: bool
    """Whether the newest attempt is known to have got a job."""

    started: str | None
    """When the newest attempt was made."""


PLACE_KEYS = (
    "launch.cluster", "launch.job_id", "attempt.host", "attempt.nodes", "hardware.hostname", "attempt.job_id",
    "attempt.state", "attempt.started",
)  # fmt: skip
"""Keys of a flat record that `place` looks at."""


def place(run_id: str, row: Flat) -> Place:
    """Where the newest attempt of a run was handed over; `run_id` is the name of its folder."""
    nodes = row.get("attempt.nodes") or [None]
    return Place(
        run_id=run_id,
        cluster=row["launch.cluster"],
        job_id=row["launch.job_id"],
        host=row.get("attempt.host") or nodes[0] or row.get("hardware.hostname"),
        handed_over=row.get("attempt.job_id") is not None or row.get("attempt.state") != "queued",
        started=row.get("attempt.started"),
    )


def lives(places: Sequence[Place], now: datetime | None = None) -> list[Life]:
    """Of each place what can be known: one look at this machine's processes, one question to Slurm."""
    now = now or datetime.now().astimezone()
    here = os.uname().nodename
    local = {(one.job_id, one.run_id) for one in places if one.cluster != "slurm" and one.job_id}
    queued = {one.job_id for one in places if one.cluster == "slurm" and one.job_id}
    running = _running(local)
    states = _states(queued)
    return [_life(one, here, running, states, now) for one in places]


def _life(
    one: Place, here: str, running: set[tuple[str, str]], states: Mapping[str, str], now: datetime
) -> Life:
    life = _of_job(one, here, running, states)
    if life is Life.GONE and not one.handed_over and _is_young(one.started, now):
        return Life.ALIVE
    return life


def _of_job(one: Place, here: str, running: set[tuple[str, str]], states: Mapping[str, str]) -> Life:
    if one.cluster == "slurm":
        if one.job_id is None:
            return Life.GONE
        if (state := states.get(one.job_id)) is None:
            return Life.UNKNOWN
        from launchers import slurm_queue

        return Life.ALIVE if state in slurm_queue.OPEN else Life.GONE
    # A container or a copy may have the same processes under another name: those that are here are here.
    if (one.job_id, one.run_id) in running:
        return Life.ALIVE
    return Life.GONE if one.host in (None, here) else Life.UNKNOWN


def _is_young(started: str | None, now: datetime) -> bool:
    return started is not None and now - datetime.fromisoformat(started) < HANDING_OVER


def _running(jobs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    if not jobs:
        return set()
    from launchers.local_processes import running

    return running(jobs)


def _states(job_ids: set[str]) -> Mapping[str, str]:
    if not job_ids:
        return {}
    from launchers import slurm_queue

    return slurm_queue.states(sorted(job_ids), PATIENCE_SECONDS)
