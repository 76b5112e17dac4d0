"""Slurm as it is seen from here."""

import shutil
import subprocess
from collections.abc import Iterator

from ftcore.config.schema import Experiment
from ftcore.doctor.finding import Finding
from launchers import slurm_queue

NEEDED = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
SECONDS = 20


def slurm(e: Experiment) -> Iterator[Finding]:
    """Programs, version, partitions and accounting; one line where there is no Slurm and none is needed."""
    queued = e.cluster.kind == "slurm"
    there = {name: shutil.which(name) for name in NEEDED}
    if not any(there.values()) and not queued:
        yield Finding("slurm", "programs", "ok", "none here, none needed: cluster=local")
        return
    if absent := [name for name, path in there.items() if path is None]:
        remedy = "a login node, or Slurm's folder on PATH (module load slurm)"
        state = "missing" if queued else "warning"
        yield Finding("slurm", "programs", state, f"not on PATH: {', '.join(absent)}", remedy)
    if there["sbatch"]:
        yield Finding("slurm", "version", "ok", said("sbatch", "--version") or "sbatch does not say")
    if there["sinfo"]:
        yield _partitions(e, queued)
    yield _accounting()


def said(*words: str) -> str:
    """What a program answers; empty where it fails or does not answer in SECONDS."""
    try:
        answer = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def _partitions(e: Experiment, queued: bool) -> Finding:
    names = slurm_queue.partitions()
    if names:
        size = slurm_queue.largest(getattr(e.cluster, "partition", None))
        return Finding("slurm", "partitions", "ok", f"{', '.join(names)}{f' ({size})' if size else ''}")
    remedy = "does the controller answer? (sinfo; SLURM_CONF)"
    return Finding("slurm", "partitions", "missing" if queued else "warning", "sinfo says nothing", remedy)


def _accounting() -> Finding:
    if shutil.which("sacct") is None:
        return Finding(
            "slurm", "accounting", "ok", "no sacct: jobs that ended long ago are told from records"
        )
    # Fails at once where nothing is stored.
    there = (
        said("sacctmgr", "-n", "-P", "show", "cluster", "format=Cluster") if shutil.which("sacctmgr") else ""
    )
    return Finding("slurm", "accounting", "ok", there.replace("\n", ", ") or "not kept; ftcore does without")
