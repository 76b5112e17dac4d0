"""A tracker as mmengine's visualizer has it, and back."""

import re
from typing import Any

from ftcore.config.schema import AnyTracker, Experiment, Mlflow, NoTracker, SwanLab, TensorBoard, Wandb
from ftcore.config.xtuner.parts import at, sequence
from ftcore.config.xtuner.values import Config

VISUALIZER = "mmengine.visualization.Visualizer"
BACKENDS: dict[type[AnyTracker], str] = {
    TensorBoard: "mmengine.visualization.TensorboardVisBackend",
    Mlflow: "mmengine.visualization.MLflowVisBackend",
    Wandb: "mmengine.visualization.WandbVisBackend",
    SwanLab: "swanlab.integration.mmengine.SwanlabVisBackend",
}
MLFLOW_FILE, MLFLOW_ARTIFACTS = "mlflow.db", "mlflow-artifacts"
PROJECT = re.compile(r"[^/\\#?%:\x00]{1,128}")
EMBEDDED = re.compile(rf"sqlite:///(?P<folder>.+)/{re.escape(MLFLOW_FILE)}")


def visualizer(e: Experiment) -> Config | None:
    """mmengine's visualizer with the backend of the experiment's tracker; None where it has none."""
    if isinstance(e.tracker, NoTracker):
        return None
    return {"type": VISUALIZER, "vis_backends": [vis_backend(e.tracker, e.runs_dir)]}


def vis_backend(tracker: AnyTracker, runs_dir: str) -> Config:
    """The settings of mmengine's backend; files that all runs share lie in `runs_dir`."""
    config: Config = {"type": BACKENDS[type(tracker)]}
    match tracker:
        case Mlflow(uri=None):
            config["tracking_uri"] = f"sqlite:///{runs_dir}/{MLFLOW_FILE}"
            config["artifact_location"] = f"{runs_dir}/{MLFLOW_ARTIFACTS}"
            config["exp_name"] = tracker.experiment
        case Mlflow():
            config |= {"tracking_uri": tracker.uri, "exp_name": tracker.experiment}
        case Wandb():
            config["init_kwargs"] = {"project": tracker.project, "mode": tracker.mode}
            config["init_kwargs"] |= {"entity": tracker.entity} if tracker.entity else {}
        case SwanLab():
            config["init_kwargs"] = {"project": tracker.project, "mode": tracker.mode}
            config["init_kwargs"] |= {"workspace": tracker.workspace} if tracker.workspace else {}
    return config


def tracker_values(visualizer: Any) -> dict[str, Any]:
    """Dotted keys of the experiment whose visualizer (in its normal form) that is; none where none is."""
    backends = sequence(at(visualizer, "vis_backends")) or []
    kind = next((kind for kind, name in BACKENDS.items() if at(backends, "0.type") == name), None)
    if len(backends) != 1 or kind is None:
        return {}
    backend = backends[0]
    if kind is TensorBoard:
        return {"tracker.kind": "tensorboard"}
    if kind is Mlflow:
        uri, experiment = at(backend, "tracking_uri"), at(backend, "exp_name")
        if not (isinstance(uri, str) and uri and isinstance(experiment, str) and experiment):
            return {}
        embedded = EMBEDDED.fullmatch(uri)
        beside = embedded and at(backend, "artifact_location") == f"{embedded['folder']}/{MLFLOW_ARTIFACTS}"
        return {
            "tracker.kind": "mlflow",
            "tracker.uri": None if beside else uri,
            "tracker.experiment": experiment,
        }
    return _hosted(kind, at(backend, "init_kwargs"))


def _hosted(kind: type[AnyTracker], given: Any) -> dict[str, Any]:
    name, owner = ("wandb", "entity") if kind is Wandb else ("swanlab", "workspace")
    project, mode, who = at(given, "project"), at(given, "mode"), at(given, owner)
    known = ("offline", "online") if kind is Wandb else ("offline", "local", "online")
    if not isinstance(project, str) or not PROJECT.fullmatch(project) or mode not in known:
        return {}
    if who is not None and not isinstance(who, str):
        return {}
    values = {"kind": name, "project": project, "mode": mode, owner: who}
    return {f"tracker.{key}": value for key, value in values.items()}
