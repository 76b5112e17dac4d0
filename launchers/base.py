"""What every launcher takes and gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job: `function()` on every one of `nodes` x `tasks_per_node` ranks."""

    function: Callable[[], None]
    """Pickled by reference; holds nothing but where the run directory is."""

    name: str
    nodes: int
    tasks_per_node: int
    log_dir: Path
    """Gets `rank<N>.out` and `rank<N>.err`, and from launchers that see it how ranks ended, `exits.json`."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Environment of every rank, on top of the launching shell's."""

    around: Sequence[str] = ()
    """Module and arguments of the program that starts the ranks of a queued job on its first node: it gets
    their command after `--`. Launchers that start the ranks themselves have no use for it."""

    script: Path | None = None
    """Where a batch script is kept, for launchers that make one."""

    after: str | None = None
    """Id of a job that has to end well first; where it does not, this one is never started."""

    after_any: str | None = None
    """Id of a job that has to end first, well or not."""

    array: int = 0
    """Tasks of an array, each with all the ranks, told apart by SLURM_ARRAY_TASK_ID; 0 is a plain job."""

    at_once: int | None = None
    """Of an array's tasks; None is no limit."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One process of the job."""

    rank: int
    local_rank: int
    world_size: int
    nodes: int

    @property
    def main(self) -> bool:
        return self.rank == 0


class Job(Protocol):
    """A job that was handed over."""

    id: str

    def alive(self) -> bool:
        """Whether any of its processes may still run."""

    def stop(self) -> None:
        """Ask it to save what it has and end (SIGTERM on every rank)."""

    def kill(self) -> None:
        """End it at once."""


class Launcher(Protocol):
    """Gets a job its processes."""

    def submit(self, spec: JobSpec) -> Job:
        """Start or queue `spec`; returns at once."""
