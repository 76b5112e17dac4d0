"""What ftcore would do better with an imported experiment, and by which override; nothing is done unasked."""

from collections.abc import Callable
from dataclasses import dataclass

from ftcore.config.schema import Experiment
from ftcore.config.xtuner.values import Config

IN_TRANSFORMERS = (
    "llama", "mistral", "mixtral", "zephyr", "yi-", "qwen1.5", "qwen2", "qwen3", "gemma", "phi-3",
    "starcoder", "deepseek-coder", "command-r",
)  # fmt: skip
"""Families whose code transformers has itself, by a part of their paths."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One improvement: what it brings, and the words that ask for it."""

    override: str
    reason: str


Applies = Callable[[Experiment, Config], bool]


def advice(e: Experiment, settings: Config) -> list[Advice]:
    """All that applies to `e`, which was made of `settings`."""
    return [one for applies, one in ALL if applies(e, settings)]


def _no_seed(_e: Experiment, settings: Config) -> bool:
    return (settings.get("randomness") or {}).get("seed") is None


def _own_code_needlessly(e: Experiment, _settings: Config) -> bool:
    return e.model.trust_remote_code and any(part in e.model.path.lower() for part in IN_TRANSFORMERS)


ALL: tuple[tuple[Applies, Advice], ...] = (
    (_no_seed, Advice("seed=42", "the file states none; ftcore always does, and the run can be repeated")),
    (
        lambda e, _s: e.precision.dtype == "fp16" and e.precision.weights == "auto",
        Advice("precision=bf16", "on cards that have it: no loss scaling, no overflow, the same speed"),
    ),
    (
        lambda e, _s: not e.data.packing and e.data.format != "moss",
        Advice(
            "data.packing=true",
            "rows fill whole sequences and still attend to themselves alone: less padding is computed",
        ),
    ),
    (
        lambda e, _s: e.precision.weights == "bf16" and e.lora.method == "full",
        Advice(
            "precision=bf16 precision.weights=auto",
            "the file has bf16 weights under fp16's loss scaling, which trains with DeepSpeed alone",
        ),
    ),
    (
        lambda e, _s: e.lora.method == "full" and e.parallelism.strategy != "deepspeed",
        Advice(
            "parallelism=zero2",
            "every weight is trained with its optimiser state on each device; ZeRO shards that "
            "(import-xtuner --deepspeed deepspeed_zero2 writes it in)",
        ),
    ),
    (
        lambda e, _s: e.lora.method == "qlora",
        Advice(
            "lora=lora",
            "where the weights fit in 16 bit: 4-bit weights are unpacked in every pass, and they exist on "
            "CUDA alone",
        ),
    ),
    (
        _own_code_needlessly,
        Advice("model.trust_remote_code=false", "transformers has this architecture: no other code runs"),
    ),
    (
        lambda e, _s: e.checkpoint.every is None,
        Advice("checkpoint.every=500", "without checkpoints, a run that is cut off starts from nothing"),
    ),
    (
        lambda e, _s: e.model.context_length is None,
        Advice(
            "model.context_length=...", "the file does not say it: with it, a max_length beyond it is noticed"
        ),
    ),
)  # fmt: skip
