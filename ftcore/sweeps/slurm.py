"""A sweep as arrays of a cluster's queue."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ftcore.config.schema import Experiment, SlurmCluster
from ftcore.jobs import slurm
from ftcore.runs.files import write_json
from ftcore.stages.sequence import Part
from ftcore.sweeps import directory
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.prepare import Prepare, kept, shared
from ftcore.sweeps.task import TASKS
from ftcore.worker import Worker
from launchers import JobSpec, slurm_queue


def submit(sweep: SweepDirectory, numbers: Sequence[int], e: Experiment, folder: Path) -> list[str]:
    """Queue those trials as few arrays as the cluster's limits allow; the arrays' ids, in `sweep.json` too.

    Where several share data that is not prepared yet, a job of one task prepares it before they start.

    Raises launchers.SlurmError where Slurm refuses.
    """
    assert isinstance(e.cluster, SlurmCluster)
    jobs: list[str] = []
    wanted = set(numbers)
    runs = [sweep.run(entry) for entry in directory.trials(sweep) if entry.number in wanted]
    after = _prepare(sweep, shared(runs), e, folder)
    for tasks in arrays(numbers, slurm_queue.array_size(), slurm_queue.submit_room()):
        submission = _next_folder(sweep)
        write_json(submission / TASKS, tasks)
        spec = _spec(sweep, submission, e, folder, len(tasks), after)
        jobs.append(slurm(e.cluster).submit(spec).id)
        known = directory.read(sweep)["jobs"]
        job = {"id": jobs[-1], "submission": submission.name, "tasks": len(tasks)}
        directory.update(sweep, jobs=[*known, job])
    return jobs


def submit_workers(sweep: SweepDirectory, count: int, e: Experiment, folder: Path) -> list[str]:
    """Queue the workers of a search as one array, as many as the cluster's limits allow; likewise."""
    assert isinstance(e.cluster, SlurmCluster)
    after = _prepare(sweep, kept(sweep), e, folder)
    room = slurm_queue.submit_room()
    count = min(count, slurm_queue.array_size(), count if room is None else max(1, room))
    submission = _next_folder(sweep)
    around = ("ftcore.sweeps.searching", str(sweep.path.absolute()), submission.name)
    spec = replace(_spec(sweep, submission, e, folder, count, after), around=around)
    job = {"id": slurm(e.cluster).submit(spec).id, "submission": submission.name, "tasks": count}
    directory.update(sweep, jobs=[*directory.read(sweep)["jobs"], job])
    return [job["id"]]


def _prepare(sweep: SweepDirectory, configs: Sequence[Path], e: Experiment, folder: Path) -> str | None:
    """The job that prepares the data of those configurations; None where there is none."""
    assert isinstance(e.cluster, SlurmCluster)
    if not configs:
        return None
    path = sweep.path.absolute()
    logs = _next_folder(SweepDirectory(path))
    spec = JobSpec(
        function=Prepare(str(folder), tuple(str(path.absolute()) for path in configs)),
        name=f"{e.name}-prepare",
        nodes=1,
        tasks_per_node=1,
        log_dir=logs,
        env={"PYTHONPATH": str(SweepDirectory(path).source)} | e.cluster.rank_env,
        around=("ftcore.sweeps.prepare", str(logs)),
        script=logs / "submit.sh",
    )
    job = slurm(e.cluster, Part.FINISH).submit(spec).id
    directory.update(sweep, prepare=job)
    return job


def arrays(numbers: Sequence[int], size: int, room: int | None) -> Iterator[list[list[int]]]:
    """Arrays of tasks of trials: each array of `size` tasks at most, all together of `room` (None: any).

    Where there is not room for a task a trial, tasks take several, one after another.
    """
    tasks_in_all = len(numbers) if room is None else max(1, min(len(numbers), room))
    each = -(-len(numbers) // tasks_in_all) if numbers else 1
    tasks = [list(numbers[start : start + each]) for start in range(0, len(numbers), each)]
    for start in range(0, len(tasks), size):
        yield tasks[start : start + size]


def waiting(sweep: SweepDirectory) -> dict[int, str]:
    """Trial -> Slurm's state of the task that it is in, of those that wait or run; one question to Slurm."""
    jobs = {job["id"]: job["submission"] for job in directory.read(sweep)["jobs"]}
    from ftcore.runs.files import read_json

    found: dict[int, str] = {}
    for job, task, state in slurm_queue.array_tasks(list(jobs)):
        tasks = read_json(sweep.logs / jobs[job] / TASKS) or []
        if task < len(tasks):
            found |= dict.fromkeys(tasks[task], state)
    return found


def _next_folder(sweep: SweepDirectory) -> Path:
    number = len([path for path in sweep.logs.glob("[0-9]*") if path.is_dir()]) + 1
    folder = sweep.logs / str(number)
    folder.mkdir(parents=True)
    return folder


def _spec(
    sweep: SweepDirectory, submission: Path, e: Experiment, folder: Path, tasks: int, after: str | None
) -> JobSpec:
    path = sweep.path.absolute()
    own = SweepDirectory(path)
    return JobSpec(
        function=Worker(str(folder), "", None),
        name=e.name,
        nodes=e.nodes,
        tasks_per_node=e.hardware.devices_per_node,
        log_dir=own.logs / submission.name,
        env={"PYTHONPATH": str(own.source)} | e.cluster.rank_env,
        around=("ftcore.sweeps.task", str(path), submission.name),
        script=path / "submit.sh",
        array=tasks,
        at_once=e.cluster.array_parallelism,
        after_any=after,
    )
