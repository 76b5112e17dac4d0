"""What keeps ftcore's own parts of a training step from taking the place of transformers'.

One list of reasons a part, for everyone who asks: an order is refused with them, and `auto` is stock where
there is one. Pure: what only the model's own files can say is `ftcore.plan.preflight`'s, and the worker's.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from ftcore.config.schema import Experiment
from ftcore.hardware.capabilities import has_fp8

Part = Literal["layers", "loss", "attention", "frozen_weights"]


OWN = {"layers": "fused", "loss": "fused", "attention": "rows"}
"""Parts of a step, and what ftcore's own are called in the configuration."""


class Obstacle(NamedTuple):
    """A reason, and the setting that would clear it."""

    reason: str
    instead: str


def obstacles(e: Experiment, part: Part) -> list[Obstacle]:
    """All that stands against ftcore's own `part` (of frozen weights: fp8) in `e`; what is unknown, such as
    an architecture that is not stated, does not."""
    return list(AGAINST[part](e))


def possible(e: Experiment, part: Part) -> bool:
    """Whether ftcore's own `part` is ordered, or `auto` and nothing stands against it: it is used if the
    model is one that it is verified for."""
    return getattr(e.kernels, part) not in ("stock", "native") and not obstacles(e, part)


def _layers(e: Experiment) -> Iterator[Obstacle]:
    if e.zero_stage == 3:
        reason = "fused layers hold their frozen weights whole, and ZeRO-3 shards them"
        yield Obstacle(reason, "parallelism=zero2")
    if e.lora.method != "lora":
        reason = "fused layers are LoRA on weights that are neither trained nor quantised"
        yield Obstacle(f"{reason}, and lora.method is {e.lora.method}", "lora=lora")
    elif e.lora.bias != "none":
        yield Obstacle(f"fused layers train no bias, and lora.bias is {e.lora.bias}", "lora.bias=none")
    if e.kernels.attention == "stock":
        reason = "fused layers attend by the rows' lengths, and kernels.attention is stock"
        yield Obstacle(reason, "kernels.attention=rows")


def _loss(e: Experiment) -> Iterator[Obstacle]:
    if e.zero_stage == 3:
        reason = "the fused loss holds the head's weights whole, and ZeRO-3 shards them"
        yield Obstacle(reason, "parallelism=zero2")
    if e.parallelism.sequence_parallel > 1 and not possible(e, "attention"):
        reason = "it takes shared sequences from ftcore's attention alone, and kernels.attention is not that"
        yield Obstacle(reason, "kernels.attention=rows")


def _attention(e: Experiment) -> Iterator[Obstacle]:
    if e.hardware.accelerator != "cpu" and e.precision.dtype == "fp32":
        reason = "an accelerator attends by rows' lengths in 16 bit alone, and precision.dtype is fp32"
        yield Obstacle(reason, "precision=bf16")


def _frozen_weights(e: Experiment) -> Iterator[Obstacle]:
    if has_fp8(e.hardware.accelerator, e.hardware.arch) is False:
        card = e.hardware.arch if e.hardware.accelerator == "cuda" else e.hardware.accelerator
        yield Obstacle(f"{card} has no fp8", "hardware=cuda and hardware.arch=sm_89 or newer")
    if e.precision.dtype != "bf16":
        reason = f"fp8 products give bf16, and precision.dtype is {e.precision.dtype}"
        yield Obstacle(reason, "precision=bf16")
    if e.kernels.layers == "stock":
        yield Obstacle("fused layers alone read fp8, and kernels.layers is stock", "kernels.layers=fused")
    yield from _layers(e)


AGAINST: dict[Part, Callable[[Experiment], Iterator[Obstacle]]] = {
    "layers": _layers, "loss": _loss, "attention": _attention, "frozen_weights": _frozen_weights,
}  # fmt: skip
