"""What decides a training step's memory, as numbers: an experiment on a model of known shape."""

from dataclasses import dataclass

from ftcore.config.kernels import possible
from ftcore.config.schema import Experiment
from ftcore.config.schema.kernels import FUSED_FAMILIES
from ftcore.config.xtuner.model import weights
from ftcore.plan.architecture import Architecture

SIZE = {"fp32": 4, "bf16": 2, "fp16": 2}
"""Bytes of an element."""

BUCKET, LIVE = 500_000_000, 1_000_000_000
"""DeepSpeed's defaults, in elements: `reduce_bucket_size`, and `stage3_max_live_parameters`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Which code computes a step, and in which types; sizes in bytes an element."""

    layers: bool
    """ftcore's decoder layers rather than transformers'."""

    loss: bool
    attention: bool
    fp8: bool

    compute: int
    """Of activations under autocast."""

    weights: int
    """Of weights as they are loaded."""

    trained: int
    """Of what is trained, as the forward pass reads it."""

    residual: int
    """Of the hidden states between layers."""

    tokens: int
    """Of one micro batch on one rank, at most."""

    masked: bool
    """A mask keeps rows apart, so that k and v are repeated for every head."""

    @property
    def flat(self) -> bool:
        """The rows of a micro batch lie one behind the other, as any of ftcore's parts takes them."""
        return self.layers or self.loss or self.attention


def parts(e: Experiment, a: Architecture) -> Parts:
    """The parts of `e` on `a`: orders where they are given, and where they are not what the model allows, as
    `ftcore.training.kernels` decides it with the model in hand."""
    compute, loaded = SIZE[e.precision.dtype], SIZE[weights(e)]
    deepspeed = e.parallelism.strategy == "deepspeed"
    fits = a.family in FUSED_FAMILIES
    whole = not a.sliding_window or a.sliding_window >= e.max_length
    if e.lora.method == "qlora":
        # PEFT's prepare_model_for_kbit_training turns every 16-bit weight into fp32, the embeddings too.
        residual = 4
    elif e.lora.method == "full":
        residual = compute if deepspeed else max(compute, loaded)
    else:
        residual = loaded
    trained = compute if deepspeed else loaded if e.lora.method == "full" else 4
    layers = fits and whole and possible(e, "layers")
    attention = fits and whole and possible(e, "attention")
    loss = fits and possible(e, "loss")
    several = e.data.packing or (loss and e.data.micro_batch_size > 1)
    return Parts(
        layers=layers,
        loss=loss,
        attention=attention,
        fp8=layers and e.kernels.frozen_weights == "fp8",
        compute=compute,
        weights=loaded,
        trained=trained,
        residual=residual,
        tokens=-(-e.max_length * e.data.micro_batch_size // e.parallelism.sequence_parallel),
        masked=not attention
        and e.model.attention != "flash_attention_2"
        and (several or bool(a.sliding_window and a.sliding_window <= e.max_length)),
    )
