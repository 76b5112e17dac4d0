"""How mmengine's runner spreads the model over ranks."""

from typing import Any

from mmengine._strategy import DDPStrategy
from mmengine.runner import weights_to_cpu

from ftcore.config.schema import Experiment
from ftcore.config.xtuner import deepspeed_config
from ftcore.plan.batch import batch


class ReplicaStrategy(DDPStrategy):
    """DDPStrategy that saves what was trained.

    Asked through torch's wrapper, XTuner's model gives every frozen weight as well: it leaves them out of
    the dictionary that it returns, not of the one that the wrapper hands it.
    """

    def model_state_dict(self) -> dict[str, Any]:
        return weights_to_cpu(self.model.module.state_dict())


def strategy(e: Experiment) -> dict[str, Any]:
    """The configuration of the experiment's strategy."""
    if e.parallelism.strategy == "single":
        return {"type": "SingleDeviceStrategy"}
    if e.parallelism.strategy == "ddp":
        wrapper: dict[str, Any] = {"type": "MMDistributedDataParallel", "broadcast_buffers": False}
        if e.hardware.accelerator == "cpu":
            wrapper["device_ids"] = None  # mmengine would name a GPU
        return {"type": ReplicaStrategy, "model_wrapper": wrapper}
    return {
        "type": "xtuner.engine.DeepSpeedStrategy",
        "config": deepspeed_config(e),
        "gradient_accumulation_steps": batch(e).accumulation,
        "train_micro_batch_size_per_gpu": e.data.micro_batch_size,
        "gradient_clipping": e.optim.max_grad_norm,
        "exclude_frozen_parameters": True,
        "sequence_parallel_size": e.parallelism.sequence_parallel,
    }
