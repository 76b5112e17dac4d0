"""The Experiment: what `python -m ftcore` is asked to do, whole."""

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Location, Name, Positive, Section
from ftcore.config.schema.data import ChatSamples, Data
from ftcore.config.schema.deploy import Deploy
from ftcore.config.schema.evaluation import Evaluation
from ftcore.config.schema.kernels import Kernels
from ftcore.config.schema.machines import Cluster, Hardware
from ftcore.config.schema.model import Export, Lora, Model
from ftcore.config.schema.parallelism import Parallelism
from ftcore.config.schema.passthrough import Passthrough
from ftcore.config.schema.tracker import Tracker
from ftcore.config.schema.training import Checkpoint, Logging, Optim, Precision


class Experiment(Section):
    """A validated, fully resolved, immutable description of one run.

    Built by `ftcore.config.compose`; written to `config.yaml` of the run directory, from which every
    worker builds an equal object.
    """

    name: Name = Field(json_schema_extra=COSMETIC)
    """Folder under `runs_dir`: letters (Chinese ones too), digits, `_`, `-`, `.`."""

    seed: int = Field(ge=0, lt=2**32)
    deterministic: bool
    nodes: Positive
    epochs: float = Field(gt=0)

    max_steps: Positive | None
    """Optimiser steps; null trains for `epochs`."""

    max_length: int = Field(ge=8)
    """Tokens a sequence may have."""

    lr: float = Field(json_schema_extra=COSMETIC)
    """Feeds `optim.lr`."""

    rank: int = Field(json_schema_extra=COSMETIC)
    """Feeds `lora.rank`."""

    runs_dir: Location = Field(json_schema_extra=COSMETIC)
    cache_dir: Location = Field(json_schema_extra=COSMETIC)

    model: Model
    data: Data
    lora: Lora
    parallelism: Parallelism
    hardware: Hardware
    cluster: Cluster
    precision: Precision
    optim: Optim
    kernels: Kernels
    checkpoint: Checkpoint
    logging: Logging
    chat_samples: ChatSamples
    evaluation: Evaluation
    tracker: Tracker
    export: Export
    deploy: Deploy = Field(json_schema_extra=COSMETIC)
    """Where the finished run is served (`deploy RUN`); a run itself serves nothing."""

    passthrough: Passthrough

    @property
    def world_size(self) -> int:
        """Ranks of the whole job."""
        return self.nodes * self.hardware.devices_per_node

    @property
    def data_parallel_size(self) -> int:
        """Groups of ranks that see different data."""
        return self.world_size // self.parallelism.sequence_parallel

    @property
    def zero_stage(self) -> int:
        """0 to 3; 0 where DeepSpeed is not used."""
        return self.parallelism.deepspeed.zero_optimization.stage if self.parallelism.deepspeed else 0
