"""Everything doctor looks at on one machine, in the order it is shown."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from ftcore.config.errors import Problem
from ftcore.config.schema import Experiment
from ftcore.config.secrets import masked
from ftcore.doctor import deep, machine, packages, places, slurm
from ftcore.doctor.finding import Finding
from ftcore.hardware.detect import this_machine
from ftcore.hardware.software import ranks_use_this_interpreter, this_interpreter, unfit
from ftcore.plan import preflight


def examine(e: Experiment, requirements: Sequence[Requirement], *, node: bool = False) -> list[Finding]:
    """All findings about `e` here; `node` on a node that Slurm lent, where its ranks would run."""
    return list(_examine(e, requirements, node))


def _examine(e: Experiment, requirements: Sequence[Requirement], node: bool) -> Iterator[Finding]:
    queued = e.cluster.kind == "slurm"
    ranks_here = node or not queued
    kind = e.hardware.accelerator
    same_python = ranks_here or ranks_use_this_interpreter(e)
    yield packages.python()
    yield from packages.packages(requirements, preflight.needed(e), kind, here=ranks_here)
    yield from _software(e, same_python)
    yield from machine.host()
    yield from machine.accelerators(e, this_machine(), here=ranks_here)
    yield from machine.driver(kind, Path("/"), os.environ)
    if ranks_here and this_interpreter().torch is not None:
        yield from deep.judge(e, deep.probe(e))
    yield from machine.variables(kind, os.environ | e.cluster.rank_env | e.hardware.env)
    yield from slurm.slurm(e)
    yield from places.place("runs_dir", Path(e.runs_dir), queue=queued, node=node)
    yield from places.place("cache_dir", Path(e.cache_dir), queue=queued, node=node)
    yield _hub(e)
    yield from _experiment(e, node)


def _software(e: Experiment, same_python: bool) -> Iterator[Finding]:
    there = this_interpreter()
    if there.torch is not None:
        yield Finding("packages", "torch's build", "ok", str(there.torch))
    if same_python:
        yield from map(_missing, unfit(e, there))


def _hub(e: Experiment) -> Finding:
    offline = [name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name) == "1"]
    where = f"offline ({', '.join(offline)})" if offline else _endpoint()
    fetched = [e.model.path] if e.model.gguf is None and not Path(e.model.path).expanduser().is_dir() else []
    fetched += [s.path for s in e.data.sources().values() if s.hub and s.path and not Path(s.path).exists()]
    if not fetched:
        return Finding("hub", "needed", "ok", f"nothing has to be fetched; set to {where}")
    remedy = "a node without a network needs a folder: model.path=FOLDER, data.path=FOLDER"
    return Finding("hub", "needed", "warning", f"{', '.join(fetched)} from {where}", remedy)


def _endpoint() -> str:
    return masked(os.environ).get("HF_ENDPOINT") or "huggingface.co"


def _experiment(e: Experiment, node: bool) -> Iterator[Finding]:
    """What `run` would refuse, apart from what has its own lines above."""
    checks = [
        preflight.model, preflight.adapters, preflight.kernels, preflight.data, preflight.followed,
        preflight.precision, preflight.disk,
    ]  # fmt: skip
    if e.cluster.kind == "local" and e.nodes > 1:
        checks.append(preflight.machine)
    if not node:
        checks.append(preflight.cluster)
    problems = [problem for check in checks for problem in check(e)]
    yield from map(_missing, problems)
    if not problems:
        yield Finding("experiment", e.name, "ok", "model, data and settings are in order")


def _missing(problem: Problem) -> Finding:
    topic = "packages" if problem.key == "installation" else "experiment"
    remedy = f"{problem.allowed}{f' (did you mean {problem.nearest}?)' if problem.nearest else ''}"
    return Finding(topic, problem.key, "missing", problem.message, remedy)
