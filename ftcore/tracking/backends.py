"""Trackers through mmengine's visualizer backends, each with what its backend lacks: going on in the same
run, files, and how a run ended.

Imported by the follower alone: with mmengine come torch and seconds of imports.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

from ftcore import compat
from ftcore.config.schema import Experiment, Mlflow, SwanLab, TensorBoard, Wandb
from ftcore.config.xtuner.tracker import vis_backend
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import locked
from ftcore.tracking.contents import Scalars
from ftcore.tracking.files import Sent, uploads

Names = dict[str, str]

HTTP_LIMITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4"}
"""About half a minute for a server that refuses; MLflow's own (120 s, 7 times) is over ten."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_DISABLE_GIT": "true", "WANDB_DISABLE_CODE": "true",
    "WANDB_CONSOLE": "off", "WANDB_SILENT": "true",
}  # fmt: skip
"""Trackers keep to the run: no telemetry, and no copy of the code, which the run directory has."""


class Backend:
    """mmengine's backend of a tracker, open on the run."""

    id: str | None = None
    """By which a later attempt finds the run again."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from mmengine.registry import VISBACKENDS

        self.backend = VISBACKENDS.build(settings)

    def parameters(self, config: dict[str, Any], names: Names) -> None:
        """The resolved configuration, and what leads back to the run."""
        from mmengine.config import Config

        self.backend.add_config(Config({**config, **({"run": names} if names else {})}))

    def scalars(self, values: Scalars, step: int) -> None:
        self.backend.add_scalars(values, step=step)

    def files(self, run: RunDirectory, hashes: dict[str, str]) -> None:
        """What the run made: path -> sha256."""
        raise NotImplementedError

    def close(self, state: str) -> None:
        """`state` is that of the record."""
        self.backend.close()


class TensorBoardBackend(Backend):
    """Event files; steps that were taken back are purged by TensorBoard's own mark."""

    def __init__(self, e: Experiment, run: RunDirectory, before: Sent, _names: Names) -> None:
        assert isinstance(e.tracker, TensorBoard)
        super().__init__(vis_backend(e.tracker, e.runs_dir) | {"save_dir": str(run.path / "tensorboard")})
        self.id = "tensorboard"
        writer = self.backend.experiment
        if before.id is not None:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog

            # What SummaryWriter(purge_step=...) writes, which mmengine does not hand on.
            mark = Event(step=before.step + 1, session_log=SessionLog(status=SessionLog.START))
            writer.file_writer.add_event(mark, step=before.step + 1)

    def files(self, run: RunDirectory, hashes: dict[str, str]) -> None:
        rows = "\n".join(f"| {path} | {sha256} |" for path, sha256 in hashes.items())
        table = f"{run.path}\n\n| file | sha256 |\n|---|---|\n{rows}"
        self.backend.experiment.add_text("artifacts", table)


class MlflowBackend(Backend):
    """MLflow's fluent API, in which the active run is this one."""

    STATES: ClassVar = {"completed": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}

    def __init__(self, e: Experiment, run: RunDirectory, before: Sent, names: Names) -> None:
        assert isinstance(e.tracker, Mlflow)
        self.tracker = e.tracker
        runs_dir = Path(e.runs_dir).absolute()
        settings = vis_backend(e.tracker, str(runs_dir))
        turn: AbstractContextManager[None] = nullcontext()
        if e.tracker.uri is None:
            settings["tracking_uri"] += "?timeout=60"  # seconds that one run waits for another's write
            # Trials that start together would each make the tables.
            turn = locked(runs_dir / ".mlflow.lock")
        super().__init__(settings | {"save_dir": str(run.path), "run_name": run.id, "tags": names})
        with turn:
            if before.id is not None:
                import mlflow

                mlflow.set_tracking_uri(settings["tracking_uri"])
                mlflow.start_run(run_id=before.id)
            self.mlflow = self.backend.experiment
        self.id = self.mlflow.active_run().info.run_id

    def parameters(self, config: dict[str, Any], _names: Names) -> None:
        # What leads back to the run are its tags: those may change when a run is moved and resumed.
        super().parameters(config, {})

    def files(self, run: RunDirectory, hashes: dict[str, str]) -> None:
        self.mlflow.log_dict(hashes, "artifacts.json")
        for path in uploads(run, self.tracker.upload_mb):
            folder = path.parent.relative_to(run.path).as_posix()
            self.mlflow.log_artifact(str(path), None if folder == "." else folder)

    def close(self, state: str) -> None:
        # The backend's own close uploads every small file below a work_dir.
        self.mlflow.end_run(self.STATES.get(state, "SCHEDULED"))


class WandbBackend(Backend):
    """W&B; its backend drops the step, so that it goes along as a figure, the x axis of the others."""

    def __init__(self, e: Experiment, run: RunDirectory, _before: Sent, _names: Names) -> None:
        assert isinstance(e.tracker, Wandb)
        settings = vis_backend(e.tracker, e.runs_dir)
        settings["init_kwargs"] |= {"id": run.id, "name": run.id, "group": run.name, "resume": "allow"}
        settings["define_metric_cfg"] = [{"name": "*", "step_metric": "step"}]
        super().__init__(settings | {"save_dir": str(run.path)})
        self.wandb = self.backend.experiment
        self.id = run.id

    def parameters(self, config: dict[str, Any], names: Names) -> None:
        # The backend's own also copies every Python file below the working directory.
        self.wandb.config.update(config | {"run": names})

    def scalars(self, values: Scalars, step: int) -> None:
        self.backend.add_scalars(values | {"step": step})

    def files(self, run: RunDirectory, hashes: dict[str, str]) -> None:
        self.wandb.run.summary["artifacts"] = hashes
        for path in (run.report, run.record):
            self.wandb.save(str(path), base_path=str(run.path), policy="now")

    def close(self, state: str) -> None:
        self.wandb.finish(exit_code=0 if state == "completed" else 1)


class SwanLabBackend(Backend):
    """SwanLab, by the backend it ships itself."""

    STATES: ClassVar = {"completed": "success", "failed": "crashed"}

    def __init__(self, e: Experiment, run: RunDirectory, _before: Sent, _names: Names) -> None:
        assert isinstance(e.tracker, SwanLab)
        settings = vis_backend(e.tracker, e.runs_dir)
        settings["init_kwargs"] |= {"id": run.id, "name": run.id, "group": run.name, "resume": "allow"}
        super().__init__(settings | {"save_dir": str(run.path / "swanlab")})
        self.swanlab = self.backend.experiment
        self.id = run.id

    def files(self, run: RunDirectory, hashes: dict[str, str]) -> None:
        self.swanlab.get_run().config.update({"artifacts": hashes})
        for path in (run.report, run.record):
            self.swanlab.save(str(path), base_path=str(run.path), policy="now")

    def close(self, state: str) -> None:
        ended = self.STATES.get(state, "aborted")
        self.swanlab.finish(ended, error="see the record" if ended == "crashed" else None)


KINDS: dict[type, Callable[[Experiment, RunDirectory, Sent, Names], Backend]] = {
    TensorBoard: TensorBoardBackend,
    Mlflow: MlflowBackend,
    Wandb: WandbBackend,
    SwanLab: SwanLabBackend,
}


def connect(e: Experiment, run: RunDirectory, before: Sent, names: Names) -> Backend:
    """The experiment's tracker, open on this run: a new one there, or that of `before`."""
    for name, value in (HTTP_LIMITS | QUIET).items():
        os.environ.setdefault(name, value)
    compat.leave_out("bitsandbytes", "deepspeed")
    return KINDS[type(e.tracker)](e, run, before, names)
