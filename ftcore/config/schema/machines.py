"""Where an experiment runs: accelerators of a node, and the cluster that lends nodes."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Environment, Positive, Section, Texts


class Hardware(Section):
    """The accelerators of one node."""

    accelerator: Literal["cpu", "cuda", "dcu"]

    card: str = Field(json_schema_extra=COSMETIC)
    """What the card is called, for people and for the record."""

    arch: str | None = Field(json_schema_extra=COSMETIC)
    """Compute architecture (`sm_90`, `gfx928`); decides which precisions are real. Null is unknown."""

    memory_gib: float | None = Field(gt=0, json_schema_extra=COSMETIC)
    """Memory of one device, GiB; null is unknown."""

    devices_per_node: Positive
    """Ranks on each node, one a device."""

    env: Environment = Field(json_schema_extra=COSMETIC)
    """Environment of every rank."""


class LocalCluster(Section):
    """This machine."""

    kind: Literal["local"] = Field(json_schema_extra=COSMETIC)
    env: Environment = Field(json_schema_extra=COSMETIC)


class SlurmCluster(Section):
    """A Slurm cluster, with one task an accelerator."""

    kind: Literal["slurm"] = Field(json_schema_extra=COSMETIC)
    env: Environment = Field(json_schema_extra=COSMETIC)
    partition: str | None = Field(json_schema_extra=COSMETIC)
    account: str | None = Field(json_schema_extra=COSMETIC)
    qos: str | None = Field(json_schema_extra=COSMETIC)
    gres: str | None = Field(json_schema_extra=COSMETIC)
    """As the site spells it: `dcu:4`, `gpu:a100:8`."""

    time: str = Field(pattern=r"^(\d+-)?\d{1,3}(:\d{2}){0,2}$", json_schema_extra=COSMETIC)
    """Slurm's time format, for example `2-00:00:00`."""

    mem: str | None = Field(json_schema_extra=COSMETIC)
    cpus_per_task: Positive = Field(json_schema_extra=COSMETIC)
    exclusive: bool = Field(json_schema_extra=COSMETIC)
    setup: Texts = Field(json_schema_extra=COSMETIC)
    """Shell lines run on each node before the job: modules, `source` of a toolkit."""


Cluster = Annotated[LocalCluster | SlurmCluster, Field(discriminator="kind")]
