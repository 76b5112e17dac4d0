"""Freeze an experiment into a new run directory."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ftcore.config.compose import Composed, to_yaml
from ftcore.config.identity import config_hash
from ftcore.config.schema import Experiment
from ftcore.config.xtuner import build, deepspeed_config, render
from ftcore.plan import predicted
from ftcore.plan.predicted import Predictor
from ftcore.runs import snapshot, source
from ftcore.runs.directory import RunDirectory, make
from ftcore.runs.files import write_json, write_text
from ftcore.runs.record import SCHEMA_VERSION, Record, now


@dataclass(frozen=True, slots=True)
class Request:
    """What the user typed, and where."""

    command: str
    folder: str
    """Working directory; relative paths of the experiment start there, on every node."""


@dataclass(frozen=True, slots=True)
class Made:
    """What runs that are made together have in common."""

    code: Record
    environment: Record
    folder: Path
    """Holds `code/` and `environment.txt`."""

    predictor: Predictor = field(default_factory=Predictor)


def create(composed: Composed, request: Request) -> RunDirectory:
    """A complete run directory: everything a worker needs is in it before anything is started."""
    experiment = composed.experiment
    run = make(Path(experiment.runs_dir), experiment.name)
    made = surroundings(experiment, run.path)
    freeze(run, composed, request, made)
    return run


def surroundings(e: Experiment, folder: Path) -> Made:
    """Keep the program and what is installed in `folder`."""
    code = snapshot.save_code(folder / "code")
    code["source_sha256"] = source.save(folder / "code", Path(e.cache_dir))
    if e.cluster.kind != "local":
        source.unpack(folder / "code" / source.ARCHIVE, folder / "code" / "src")
    return Made(code, snapshot.environment(folder), folder)


def freeze(
    run: RunDirectory,
    composed: Composed,
    request: Request,
    made: Made,
    *,
    more: Record | None = None,
    yaml: Callable[[Experiment], str] = to_yaml,
    durable: bool = True,
    known: dict[str, str] | None = None,
) -> None:
    """Write everything but the surroundings into the run's directory, the record last.

    `more` goes into the record; `yaml` renders the configuration; without `durable` the caller makes it
    survive a power failure; `known` keeps texts for the next of many runs that have most in common.
    """
    e = composed.experiment
    write = partial(write_text, durable=durable)
    write(run.config, yaml(e))
    asked = {"overrides": list(composed.overrides), "choices": composed.choices}
    write(run.path / "overrides.yaml", json.dumps(asked, indent=2, ensure_ascii=False) + "\n")
    write(run.xtuner_config, xtuner_text(composed, known))
    if (deepspeed := deepspeed_config(e)) is not None:
        write(run.path / "deepspeed.json", json.dumps(deepspeed, indent=2) + "\n")
    plan = made.predictor.plan(e)
    write(run.path / "plan.json", json.dumps(plan, indent=2, ensure_ascii=False) + "\n")
    entry = _record(run, composed, request, made) | (more or {})
    if expected := predicted.results(plan):
        entry["results"] = {"predicted": expected}
    write_json(run.record, entry, durable=durable, known=known)


def xtuner_text(composed: Composed, known: dict[str, str] | None = None) -> str:
    """The XTuner configuration as a Python file, with the command that runs it without ftcore."""
    e = composed.experiment
    launch = f"NPROC_PER_NODE={e.hardware.devices_per_node} " if e.world_size > 1 else ""
    deepspeed = ""
    lines = [f"{e.name}: made by ftcore from: {' '.join(composed.overrides) or '(no overrides)'}"]
    if (block := deepspeed_config(e)) is not None:
        lines += ["deepspeed.json, as this experiment has it:", json.dumps(block)]
        deepspeed = " --deepspeed deepspeed.json"
    lines.append(f"Without ftcore: {launch}xtuner train xtuner_config.py{deepspeed}")
    return render(build(e), "\n".join(lines), known)


def _record(run: RunDirectory, composed: Composed, request: Request, made: Made) -> Record:
    e = composed.experiment
    hardware = e.hardware.model_dump(
        include={"accelerator", "card", "arch", "memory_gib", "devices_per_node"}
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "id": run.id,
        "name": e.name,
        "sweep": None,
        "reproduces": None,
        "tags": [],
        "note": "",
        "created": now(),
        "state": "created",
        "config_hash": config_hash(e),
        "overrides": list(composed.overrides),
        "choices": composed.choices,
        "command": request.command,
        "config": e.model_dump(mode="json"),
        "code": made.code,
        "environment": made.environment,
        "hardware": hardware | {"hostname": os.uname().nodename},
        "data": {"source": e.data.origin(), "rows": None, "sha256": None, "cache_key": None},
        "model": {"name": e.model.name, "path": e.model.path, "sha256": None},
        "seed": e.seed,
        "deterministic": e.deterministic,
        "launch": {
            "cluster": e.cluster.kind,
            "nodes": e.nodes,
            "tasks_per_node": e.hardware.devices_per_node,
            "job_id": None,
            "then": None,
            "folder": request.folder,
        },
        "attempts": [],
        "stages": [],
        "results": {},
        "artifacts": [],
        "error": None,
    }
