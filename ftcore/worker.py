"""The process on one rank, started with nothing but a run directory.

Importable without torch: the launcher pickles `Worker` by reference on a login node.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ftcore.config.compose import load
from ftcore.config.errors import Unreadable
from ftcore.config.schema import Experiment
from ftcore.config.secrets import masked
from ftcore.hardware.facts import facts
from ftcore.report.write import write_report
from ftcore.runs import attempt_files, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.disk import is_full
from ftcore.runs.files import read_json, write_json
from ftcore.runs.progress import Progress
from ftcore.stages.context import Context, Stopped, StopRequest
from ftcore.stages.sequence import Part, run_stages
from ftcore.tracking.process import Tracking
from launchers import Rank

ATTEMPT = "FTCORE_ATTEMPT"
"""Environment variable that tells ranks of a queued job which attempt they are."""

RUN = "FTCORE_RUN"
"""Environment variable that tells ranks of a sweep's job which run they are of."""

NEXT = "next"
"""In place of an attempt's number, for a job that follows another one of the same run."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What a launcher calls on every rank."""

    folder: str
    """Working directory of the launching shell; relative paths start there."""

    run_path: str
    """Empty where the job tells it (a sweep's: RUN in the environment)."""

    attempt: int | None
    """None where a queued job counts its attempts itself (`ftcore.batch`)."""

    part: Part = Part.WHOLE

    def __call__(self) -> None:
        os.chdir(self.folder)
        number = self.attempt or int(os.environ[ATTEMPT])
        run = RunDirectory(Path(self.run_path or os.environ[RUN]), writer=number)
        experiment = load(run.config)
        ranks = 1 if self.part is Part.FINISH else experiment.hardware.devices_per_node
        prepare_environment(experiment, ranks)
        work(experiment, run, number, self.part)


def prepare_environment(experiment: Experiment, ranks: int) -> None:
    """The experiment's environment, before anything reads it: torch looks at it when it is imported.

    `ranks` share this node.
    """
    os.environ.update(experiment.cluster.rank_env | experiment.hardware.env)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if experiment.deterministic:
        # Without it cuBLAS may take another order of summation each time, and torch refuses to run.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if experiment.hardware.accelerator == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        os.environ["DS_ACCELERATOR"] = "cpu"
        threads = max(1, len(os.sched_getaffinity(0)) // ranks)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    elif experiment.hardware.accelerator == "dcu":
        # HIP reads both and takes their intersection.
        visible = os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        if visible:
            os.environ.setdefault("HIP_VISIBLE_DEVICES", visible)


def work(experiment: Experiment, run: RunDirectory, attempt: int, part: Part = Part.WHOLE) -> None:
    """The stages of a part on this rank; raises what went wrong after writing it down."""
    stop = StopRequest()
    stop.install()
    folder = run.attempt(attempt)

    rank = _this_rank()
    progress = Progress(run.progress, active=rank.main)
    tracking = Tracking(experiment, run, folder, active=rank.main)
    context = Context(experiment, run, folder, rank, stop, progress, tracking)
    if rank.main:
        _mark_running(run, rank.nodes)
        write_json(folder / attempt_files.ENVIRONMENT, masked(os.environ))
    if rank.local_rank == 0:
        threading.Thread(target=_tell_machine, args=(experiment, folder), daemon=True).start()
    try:
        run_stages(context, part)
    except Stopped as stopped:
        if rank.main:
            asked = read_json(folder / attempt_files.STOP)
            asked = asked or {"state": "preempted", "reason": f"signal {stopped}"}
            record.end_attempt(run, asked["state"], asked["reason"])
    except record.Superseded:
        raise
    except BaseException as error:
        failure = describe_failure(error, context)
        _try(lambda: write_json(folder / attempt_files.failure(rank.rank), failure))
        if rank.main:
            _try(lambda: record.end_attempt(run, "failed", failure["message"], failure))
        raise
    else:
        if rank.main and part is Part.TRAIN:
            record.hand_over(run)
        elif rank.main:
            record.end_attempt(run, "completed", "all stages done")
    finally:
        if rank.main:
            _try(lambda: record.gather_machines(run, attempt))
            _try(lambda: report(run))
            tracking.end(hurry=bool(stop))


def report(run: RunDirectory) -> None:
    """The report as the run stands."""
    with record.turn(run):
        write_report(run)


def _try(write: Callable[[], None]) -> None:
    """Write where the disk has room and the run is still this attempt's; what failed before must be told
    even where this fails too."""
    try:
        write()
    except (OSError, Unreadable, record.Superseded) as error:
        with suppress(OSError):  # the log may be on the same disk
            print(f"not written down: {error}", file=sys.stderr, flush=True)


def describe_failure(error: BaseException, context: Context) -> dict[str, Any]:
    """What the record and `status` show of an error."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    message = f"{error.strerror}: {error.filename or context.run.path}" if is_full(error) else said[0]
    return {
        "stage": context.progress.stage,
        "rank": context.rank.rank,
        "node": os.uname().nodename,
        "type": type(error).__name__,
        "message": message,
        "traceback": "".join(traceback.format_exception(error)),
        "time": datetime.now().astimezone().isoformat(),
    }


def _tell_machine(experiment: Experiment, folder: Path) -> None:
    """Beside the work: the driver's tools take their time to answer."""
    known = facts(experiment.hardware.accelerator)
    write_json(folder / attempt_files.machine(known["host"]), known, durable=False)


def _this_rank() -> Rank:
    import submitit

    env = submitit.JobEnvironment()
    return Rank(env.global_rank, env.local_rank, env.num_tasks, env.num_nodes)


def _mark_running(run: RunDirectory, nodes: int) -> None:
    import submitit

    names = list(submitit.JobEnvironment().hostnames) if nodes > 1 else [os.uname().nodename]

    def change(entry: record.Record) -> None:
        entry["state"] = "running"
        entry["attempts"][-1].update(state="running", nodes=names)

    record.update(run, change)
