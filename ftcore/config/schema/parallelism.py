"""How ranks share the work: replicas, ZeRO shards, sequence parallel groups."""

from typing import Any, Literal

from ftcore.config.schema.base import Positive, Section


class Offload(Section):
    """Where DeepSpeed keeps a part of the state that does not fit on the device."""

    device: Literal["cpu"]
    pin_memory: bool


class ZeroOptimization(Section):
    """DeepSpeed's `zero_optimization` block (https://www.deepspeed.ai/docs/config-json/)."""

    stage: Literal[0, 1, 2, 3]
    overlap_comm: bool
    offload_optimizer: Offload | None
    offload_param: Offload | None
    stage3_gather_16bit_weights_on_model_save: bool | None
    """Stage 3 only; null elsewhere."""

    tuning: dict[str, Any]
    """Further keys of the block (bucket sizes and the like), handed to DeepSpeed as they stand."""


class DeepSpeed(Section):
    """The DeepSpeed JSON; batch, clipping and precision are filled in from the experiment."""

    zero_optimization: ZeroOptimization
    zero_allow_untested_optimizer: bool
    zero_force_ds_cpu_optimizer: bool


class Parallelism(Section):
    """One of: a single process, a replica a rank (ddp), or DeepSpeed ZeRO."""

    strategy: Literal["single", "ddp", "deepspeed"]

    sequence_parallel: Positive
    """Ranks that share one sequence; divides the world size."""

    deepspeed: DeepSpeed | None
