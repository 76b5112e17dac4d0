"""Where a run's figures are shown beside its own record. API keys are the environment's, never here."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Location, Section

Title = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^/\\#?%:\x00]+$")]
"""What a tracker calls a group of runs: at most 128 characters, none of `/ \\ # ? % :`."""


class NoTracker(Section):
    """The run's own files alone."""

    kind: Literal["none"] = Field(json_schema_extra=COSMETIC)


class _Tracker(Section):
    flush_seconds: float = Field(ge=0, le=3600, json_schema_extra=COSMETIC)
    """How long a run that has ended waits for its tracker to take the rest; then it is ended."""


class TensorBoard(_Tracker):
    """Event files in `tensorboard/` of the run directory."""

    kind: Literal["tensorboard"] = Field(json_schema_extra=COSMETIC)


class Mlflow(_Tracker):
    """MLflow's store: a database file, or a server."""

    kind: Literal["mlflow"] = Field(json_schema_extra=COSMETIC)

    uri: Location | None = Field(json_schema_extra=COSMETIC)
    """`http://host:5000`, `sqlite:///file.db`; null is `mlflow.db` in `runs_dir`, artifacts beside it."""

    experiment: str = Field(min_length=1, max_length=256, json_schema_extra=COSMETIC)

    upload_mb: float = Field(ge=0, json_schema_extra=COSMETIC)
    """Megabytes of files (report, record, adapter) that are uploaded in all; those that do not fit are
    listed with path and sha256, as all are where it is 0."""


class Wandb(_Tracker):
    """Weights & Biases."""

    kind: Literal["wandb"] = Field(json_schema_extra=COSMETIC)

    mode: Literal["offline", "online"] = Field(json_schema_extra=COSMETIC)
    """offline writes files for `wandb sync`."""

    project: Title = Field(json_schema_extra=COSMETIC)
    """At most 128 characters, none of / \\ # ? % and colon."""

    entity: str | None = Field(json_schema_extra=COSMETIC)
    """User or team; null is that of the API key."""


class SwanLab(_Tracker):
    """SwanLab."""

    kind: Literal["swanlab"] = Field(json_schema_extra=COSMETIC)

    mode: Literal["offline", "local", "online"] = Field(json_schema_extra=COSMETIC)
    """offline writes files for `swanlab sync`, local those that SwanLab's old dashboard (package
    `swanboard`) shows."""

    project: Title = Field(json_schema_extra=COSMETIC)
    """At most 128 characters, none of / \\ # ? % and colon."""

    workspace: str | None = Field(json_schema_extra=COSMETIC)
    """User or team; null is that of the API key."""


AnyTracker = TensorBoard | Mlflow | Wandb | SwanLab
Tracker = Annotated[NoTracker | AnyTracker, Field(discriminator="kind")]
