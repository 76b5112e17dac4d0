"""A run as a job: what a launcher is given, and which launcher it is."""

from dataclasses import replace
from pathlib import Path

from ftcore.config.errors import Problem, nearest
from ftcore.config.schema import Experiment, Finish, SlurmCluster
from ftcore.config.schema.machines import ForPlans
from ftcore.runs.directory import RunDirectory
from ftcore.stages.sequence import Part, parts
from ftcore.worker import NEXT, Worker
from launchers import JobSpec, Launcher, LocalLauncher, SlurmError, SlurmLauncher, SlurmOptions, slurm_queue

COMPLAINTS = {
    "account": "account", "partition": "partition", "qos": "qos", "generic resource": "gres",
    "time limit": "time", "feature": "constraint", "node name": "nodelist",
}  # fmt: skip
"""Words of sbatch's complaints -> the field of the cluster group they are about."""

NOT_SLURMS = {
    "kind", "env", "array_parallelism", "attempts", "interface", "ib_hca", "finish", *ForPlans.model_fields,
}  # fmt: skip
"""Fields of the cluster group that are not for Slurm itself."""


def launcher(e: Experiment, part: Part = Part.WHOLE) -> Launcher:
    """The launcher of the experiment's cluster, for a part of a run."""
    return slurm(e.cluster, part) if isinstance(e.cluster, SlurmCluster) else LocalLauncher()


def slurm(cluster: SlurmCluster, part: Part = Part.WHOLE) -> SlurmLauncher:
    """Slurm as `cluster` has it."""
    options = SlurmOptions(**cluster.model_dump(exclude=NOT_SLURMS))
    if part is Part.FINISH:
        own = cluster.finish.model_dump(exclude={"own_job"})
        options = replace(options, **own, nodelist=None, exclusive=False)
    return SlurmLauncher(options)


def batch_script(e: Experiment) -> str:
    """The batch script as it will be, with `RUN` for the run's directory, which is not there yet; where two
    jobs are made of it, both."""
    assert isinstance(e.cluster, SlurmCluster)
    nowhere = RunDirectory(Path("/RUN") / e.name / "ID")
    scripts = []
    for part in parts(e, nowhere):
        spec = job_spec(e, nowhere, 1, Path.cwd(), part, after="JOB" if scripts else None)
        scripts.append(slurm(e.cluster, part).script(spec).replace("/RUN/", "RUN/"))
    return "\n# and after job JOB of the above:\n".join(scripts)


def refusal(e: Experiment, cluster: SlurmCluster) -> list[Problem]:
    """Why Slurm would not take the job, under the key that is to be changed; nothing is queued."""
    nowhere = RunDirectory(Path.cwd() / e.name / "ID")
    return [problem for part in parts(e, nowhere) for problem in _refusal(e, cluster, nowhere, part)]


def _refusal(e: Experiment, cluster: SlurmCluster, run: RunDirectory, part: Part) -> list[Problem]:
    key, asked = ("cluster.finish", cluster.finish) if part is Part.FINISH else ("cluster", cluster)
    spec = job_spec(e, run, 1, Path.cwd(), part)
    try:
        slurm(cluster, part).try_out(spec)
    except SlurmError as error:
        return [_problem(str(error), key, asked, spec)]
    limit = slurm_queue.time_limit(asked.partition)
    if limit is not None and slurm_queue.seconds(asked.time) > slurm_queue.seconds(limit):
        # Slurm takes such a job and never starts it.
        return [Problem(f"{key}.time", f"{asked.time} is over the partition's limit", f"at most {limit}")]
    return []


def _problem(said: str, key: str, asked: SlurmCluster | Finish, spec: JobSpec) -> Problem:
    field = next((field for words, field in COMPLAINTS.items() if words in said.lower()), None)
    if field == "partition":
        names = slurm_queue.partitions()
        near = nearest(asked.partition or "", names)
        return Problem(f"{key}.partition", f"Slurm: {said}", ", ".join(names), near)
    if field is None and "configuration" in said.lower():
        size = (
            f"{spec.nodes} node(s), each {spec.tasks_per_node} tasks x {asked.cpus_per_task} CPUs, "
            f"gres {asked.gres or 'none'}, mem {asked.mem or 'default'}"
        )
        return Problem(key, f"Slurm: {said}; asked for: {size}", slurm_queue.largest(asked.partition))
    whose = key if field in type(asked).model_fields else "cluster"
    return Problem(f"{whose}.{field}" if field else key, f"Slurm: {said}")


def job_spec(
    e: Experiment,
    run: RunDirectory,
    number: int,
    folder: Path,
    part: Part = Part.WHOLE,
    after: str | None = None,
) -> JobSpec:
    """Attempt `number` of `run` as a job; relative paths of the experiment start in `folder`.

    A job `after` another one of the run takes the next number when it starts.
    """
    queued = isinstance(e.cluster, SlurmCluster)
    path = run.path.absolute()
    alone = part is Part.FINISH
    return JobSpec(
        function=Worker(str(folder), str(path), None if queued else number, part),
        name=run.name,
        nodes=1 if alone else e.nodes,
        tasks_per_node=1 if alone else e.hardware.devices_per_node,
        log_dir=RunDirectory(path).attempt(number),
        env={"PYTHONPATH": str(RunDirectory(path).source)} | e.cluster.rank_env if queued else {},
        around=("ftcore.batch", str(path), NEXT if after else str(number)),
        script=path / ("submit_finish.sh" if alone else "submit.sh"),
        after=after,
    )
