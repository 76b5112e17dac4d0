"""A run as a job: what a launcher is given, and which launcher it is."""

from pathlib import Path

from ftcore.config.errors import Problem, nearest
from ftcore.config.schema import Experiment, SlurmCluster
from ftcore.runs.directory import RunDirectory
from ftcore.worker import Worker
from launchers import JobSpec, Launcher, LocalLauncher, SlurmError, SlurmLauncher, SlurmOptions, slurm_queue

COMPLAINTS = {
    "account": "account", "partition": "partition", "qos": "qos", "generic resource": "gres",
    "time limit": "time", "feature": "constraint", "node name": "nodelist",
}  # fmt: skip
"""Words of sbatch's complaints -> the field of the cluster group they are about."""

NOT_SLURMS = {"kind", "env", "array_parallelism", "attempts"}
"""Fields of the cluster group that are not for Slurm itself."""


def launcher(e: Experiment) -> Launcher:
    """The launcher of the experiment's cluster."""
    return slurm(e.cluster) if isinstance(e.cluster, SlurmCluster) else LocalLauncher()


def slurm(cluster: SlurmCluster) -> SlurmLauncher:
    """Slurm as `cluster` has it."""
    return SlurmLauncher(SlurmOptions(**cluster.model_dump(exclude=NOT_SLURMS)))


def batch_script(e: Experiment) -> str:
    """The batch script as it will be, with `RUN` for the run's directory, which is not there yet."""
    assert isinstance(e.cluster, SlurmCluster)
    nowhere = RunDirectory(Path("/RUN") / e.name / "ID")
    return slurm(e.cluster).script(job_spec(e, nowhere, 1, Path.cwd())).replace("/RUN/", "RUN/")


def refusal(e: Experiment, cluster: SlurmCluster) -> list[Problem]:
    """Why Slurm would not take the job, under the key that is to be changed; nothing is queued."""
    nowhere = RunDirectory(Path.cwd() / e.name / "ID")
    try:
        slurm(cluster).try_out(job_spec(e, nowhere, 1, Path.cwd()))
    except SlurmError as error:
        return [_problem(str(error), e, cluster)]
    limit = slurm_queue.time_limit(cluster.partition)
    if limit is not None and slurm_queue.seconds(cluster.time) > slurm_queue.seconds(limit):
        # Slurm takes such a job and never starts it.
        return [Problem("cluster.time", f"{cluster.time} is over the partition's limit", f"at most {limit}")]
    return []


def _problem(said: str, e: Experiment, cluster: SlurmCluster) -> Problem:
    field = next((field for words, field in COMPLAINTS.items() if words in said.lower()), None)
    if field == "partition":
        names = slurm_queue.partitions()
        near = nearest(cluster.partition or "", names)
        return Problem("cluster.partition", f"Slurm: {said}", ", ".join(names), near)
    if field is None and "configuration" in said.lower():
        asked = (
            f"{e.nodes} node(s), each {e.hardware.devices_per_node} tasks x {cluster.cpus_per_task} CPUs, "
            f"gres {cluster.gres or 'none'}, mem {cluster.mem or 'default'}"
        )
        return Problem(
            "cluster", f"Slurm: {said}; asked for: {asked}", slurm_queue.largest(cluster.partition)
        )
    return Problem(f"cluster.{field}" if field else "cluster", f"Slurm: {said}")


def job_spec(e: Experiment, run: RunDirectory, number: int, folder: Path) -> JobSpec:
    """Attempt `number` of `run` as a job; relative paths of the experiment start in `folder`."""
    queued = isinstance(e.cluster, SlurmCluster)
    path = run.path.absolute()
    return JobSpec(
        function=Worker(str(folder), str(path), None if queued else number),
        name=run.name,
        nodes=e.nodes,
        tasks_per_node=e.hardware.devices_per_node,
        log_dir=RunDirectory(path).attempt(number),
        env={"PYTHONPATH": str(RunDirectory(path).source)} | e.cluster.env if queued else {},
        around=("ftcore.batch", str(path), str(number)),
        script=path / "submit.sh",
    )
