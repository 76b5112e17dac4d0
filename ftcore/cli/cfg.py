"""`--cfg KIND`: what an experiment would be started with, as text."""

import json
from typing import Any

from ftcore.config import plain_yaml
from ftcore.config.compose import Composed
from ftcore.config.errors import Problem, RequestError, nearest
from ftcore.config.xtuner import deepspeed_config
from ftcore.jobs import batch_script
from ftcore.runs.create import xtuner_text

AS_JSON = ("job", "deepspeed")
"""Kinds that are data."""


def configuration(composed: Composed, kind: str, package: str | None, *, as_json: bool = False) -> str:
    """The text of `kind`: job (YAML or JSON, or the part named `package`), xtuner (Python), deepspeed (JSON),
    sbatch (the batch script, with RUN where the run's directory will stand)."""
    if as_json and kind not in AS_JSON:
        allowed = " or ".join(f"--cfg {one}" for one in AS_JSON)
        raise RequestError([Problem("--json", f"--cfg {kind} is no data", allowed)])
    if kind == "xtuner":
        return xtuner_text(composed)
    if kind == "deepspeed":
        if (block := deepspeed_config(composed.experiment)) is None:
            raise RequestError(
                [Problem("--cfg deepspeed", "DeepSpeed is not used here", "parallelism=zero*")]
            )
        return json.dumps(block, indent=2) + "\n"
    if kind == "sbatch":
        if composed.experiment.cluster.kind != "slurm":
            raise RequestError([Problem("--cfg sbatch", "there is no batch script here", "cluster=slurm")])
        return batch_script(composed.experiment)
    part = composed.experiment.model_dump(mode="json")
    for name in package.split(".") if package else ():
        if not isinstance(part, dict) or name not in part:
            known = list(part) if isinstance(part, dict) else []
            raise RequestError(
                [Problem("--package", f"no such part: {package}", nearest=nearest(name, known))]
            )
        part = part[name]
    return json.dumps(part, indent=2, ensure_ascii=False) + "\n" if as_json else _text(part)


def _text(part: Any) -> str:
    return plain_yaml.dump(part) if isinstance(part, (dict, list)) else f"{part}\n"
