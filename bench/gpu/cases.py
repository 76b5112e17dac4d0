"""What is measured, by name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """A program with its settings."""

    name: str
    title: str

    batch: int
    """Sequences of a forward pass."""

    peer: str | None = None
    """Module under `bench.gpu.peers`; None is ftcore."""

    kernels: tuple[str, ...] = ()
    """ftcore's words for its kernels."""

    own_packages: bool = False
    """Imports from the folder of `requirements.txt`."""

    devices: int = 1
    """Cards of this machine, all at once."""

    parallelism: str = "single"
    """ftcore's, over these."""


FAST = Case("fast", "ftcore, kernels=fast", 1, kernels=("kernels=fast",))

COMPARISON = (
    Case("stock", "ftcore, kernels=stock", 1, kernels=("kernels=stock",)),
    FAST,
    Case("fast_2", "ftcore, kernels=fast", 2, kernels=("kernels=fast",)),
    Case("fp8_2", "ftcore, kernels=fast_fp8", 2, kernels=("kernels=fast_fp8",)),
    Case("xtuner", "XTuner 0.2.0, packed", 1, peer="xtuner"),
    Case("trl_liger", "TRL + Liger", 2, peer="trl", own_packages=True),
    Case("unsloth", "Unsloth", 2, peer="unsloth", own_packages=True),
)

RECOMPUTED = ("kernels.recompute_layers=null", "model.activation_checkpointing=true")


def without(part: str, *words: str) -> Case:
    """`fast` with one part as stock has it."""
    return Case(f"no_{part}", f"fast, {', '.join(words)}", 1, kernels=("kernels=fast", *words))


EACH = (
    FAST,
    without("layers", "kernels.layers=stock"),
    without("loss", "kernels.loss=stock"),
    without("layers_and_attention", "kernels.layers=stock", "kernels.attention=stock"),
    without("optimizer", "kernels.optimizer=stock"),
    Case("recomputed", "fast, all layers recomputed", 1, kernels=("kernels=fast", *RECOMPUTED)),
    Case("fp8", "ftcore, kernels=fast_fp8", 1, kernels=("kernels=fast_fp8",)),
)


def spread(parallelism: str, devices: int) -> Case:
    """`fast` on several cards: a step has so many times the tokens."""
    title = f"ftcore, kernels=fast, {parallelism} on {devices}"
    return Case(f"{parallelism}_{devices}", title, 1, None, ("kernels=fast",), False, devices, parallelism)


def over(devices: int) -> tuple[Case, ...]:
    """One card, and the same on `devices`."""
    return (FAST, *(spread(parallelism, devices) for parallelism in ("ddp", "zero1", "zero2", "zero3")))


TRIED = ("kernels=stock",)
"""ftcore's words in a trial of the benchmark itself, which may be on a CPU."""
