"""Where an experiment runs: accelerators of a node, and the cluster that lends nodes."""

from typing import Annotated, Literal

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Environment, Positive, Section, Texts

SLURM_TIME = r"^(\d+-)?\d{1,3}(:\d{2}){0,2}$"
SLURM_MEMORY = r"^\d+[KMGT]?$"


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

    rates: str | None = Field(json_schema_extra=COSMETIC)
    """For plans, how fast the card is: `auto` takes what `calibrate` found out about `card`, and otherwise
    assumes; or a rates file. Null assumes."""

    link_gbps: float | None = Field(gt=0, json_schema_extra=COSMETIC)
    """For plans, Gbit/s between two cards of a node; null is what `calibrate` found, or assumed."""

    env: Environment = Field(json_schema_extra=COSMETIC)
    """Environment of every rank."""


class ForPlans(Section):
    """What plans ask of a cluster: what a device costs, and how fast the network is; null is unknown."""

    price_per_device_hour: float | None = Field(ge=0, json_schema_extra=COSMETIC)
    """Price of one accelerator for an hour, in `currency`."""

    currency: str | None = Field(json_schema_extra=COSMETIC)
    """What the price is in: `CNY`, `USD`."""

    quota_device_hours: float | None = Field(gt=0, json_schema_extra=COSMETIC)
    """Device-hours that you may use in all."""

    network_gbps: float | None = Field(gt=0, json_schema_extra=COSMETIC)
    """Gbit/s of a node's network, all its adapters together; null is assumed."""


class LocalCluster(ForPlans):
    """This machine."""

    kind: Literal["local"] = Field(json_schema_extra=COSMETIC)
    env: Environment = Field(json_schema_extra=COSMETIC)

    @property
    def rank_env(self) -> dict[str, str]:
        """Environment of every rank, whole."""
        return self.env


class Finish(Section):
    """Where a run's export, merge and evaluation are done."""

    own_job: bool = Field(json_schema_extra=COSMETIC)
    """In a job of one task that starts once training has ended well, so that the cards of the training are
    free; false leaves them to the training's first rank."""

    partition: str | None = Field(json_schema_extra=COSMETIC)
    gres: str | None = Field(json_schema_extra=COSMETIC)
    time: str = Field(pattern=SLURM_TIME, json_schema_extra=COSMETIC)
    """Slurm's time format, for example `4:00:00`."""

    mem: str | None = Field(pattern=SLURM_MEMORY, json_schema_extra=COSMETIC)
    """Host memory: `90G`; `0` is all of the node's."""

    cpus_per_task: Positive = Field(json_schema_extra=COSMETIC)


class SlurmCluster(ForPlans):
    """A Slurm cluster, with one task an accelerator. A null leaves the choice to the site."""

    kind: Literal["slurm"] = Field(json_schema_extra=COSMETIC)
    env: Environment = Field(json_schema_extra=COSMETIC)
    """Environment of every rank."""

    interface: str | None = Field(json_schema_extra=COSMETIC)
    """Network interface of NCCL, RCCL and gloo: `ib0`. Null lets each of them choose."""

    ib_hca: str | None = Field(json_schema_extra=COSMETIC)
    """InfiniBand adapters of NCCL and RCCL: `mlx5_0`, `shca_0:1`."""

    partition: str | None = Field(json_schema_extra=COSMETIC)
    account: str | None = Field(json_schema_extra=COSMETIC)
    qos: str | None = Field(json_schema_extra=COSMETIC)
    gres: str | None = Field(json_schema_extra=COSMETIC)
    """What a node lends, as the site spells it: `dcu:4`, `gpu:a100:8`; null asks for none."""

    time: str = Field(pattern=SLURM_TIME, json_schema_extra=COSMETIC)
    """Slurm's time format, for example `2-00:00:00`."""

    mem: str | None = Field(pattern=SLURM_MEMORY, json_schema_extra=COSMETIC)
    """Host memory of a node: `90G`; `0` is all of it."""

    cpus_per_task: Positive = Field(json_schema_extra=COSMETIC)
    exclusive: bool = Field(json_schema_extra=COSMETIC)
    nodelist: str | None = Field(json_schema_extra=COSMETIC)
    exclude: str | None = Field(json_schema_extra=COSMETIC)
    constraint: str | None = Field(json_schema_extra=COSMETIC)

    setup: Texts = Field(json_schema_extra=COSMETIC)
    """Shell lines on the first node before the ranks: modules, `source` of a toolkit (their environment
    reaches every rank)."""

    prefix: Texts = Field(json_schema_extra=COSMETIC)
    """Words before python on every rank: a container's `apptainer exec image.sif`."""

    python: str | None = Field(json_schema_extra=COSMETIC)
    """The interpreter of the ranks; null is the one that submits."""

    sbatch: Texts = Field(json_schema_extra=COSMETIC)
    """Further options of sbatch: `--mail-type=END`."""

    srun: Texts = Field(json_schema_extra=COSMETIC)
    """Further options of srun: `--mpi=none`."""

    array_parallelism: Positive = Field(json_schema_extra=COSMETIC)
    """Trials of a sweep that run at once."""

    signal_seconds: int = Field(ge=10, le=3600, json_schema_extra=COSMETIC)
    """Before the time limit, ranks are told to save and the job queues again."""

    attempts: Positive = Field(json_schema_extra=COSMETIC)
    """Starts that a job may have by itself, after preemption, a time limit or a lost node."""

    finish: Finish = Field(json_schema_extra=COSMETIC)

    @property
    def rank_env(self) -> dict[str, str]:
        """Environment of every rank, whole; `env` has the last word."""
        named = {
            "NCCL_SOCKET_IFNAME": self.interface, "GLOO_SOCKET_IFNAME": self.interface,
            "NCCL_IB_HCA": self.ib_hca,
        }  # fmt: skip
        return {name: value for name, value in named.items() if value is not None} | self.env


Cluster = Annotated[LocalCluster | SlurmCluster, Field(discriminator="kind")]
