"""Which of ftcore's parts of a training step are used: the experiment's orders, and what the model allows."""

from typing import Any

from torch import nn

from ftcore.config.errors import WorkError
from ftcore.config.kernels import OWN, Part, possible
from ftcore.config.schema import Experiment
from ftcore.models.load import DTYPES
from ftcore.training.fast.attach import unfit
from ftcore.training.fast.sequence import SequenceGroup
from ftcore.training.fast.step import Parts, Step


def may_be_used(e: Experiment) -> bool:
    """Whether any of ftcore's parts is used if the model allows it; they take data of their own form."""
    return any(possible(e, part) for part in OWN)


def parts(e: Experiment, group: SequenceGroup | None, llm: nn.Module) -> Parts:
    """The parts for `llm`, whose sequences the ranks of `group` share; WorkError where one is ordered that
    cannot be."""
    used = {part: _used(e, part, llm) for part in OWN}
    if group is not None:
        _share(llm, group, used["attention"])
    recompute = e.kernels.recompute_layers
    if recompute is None:
        recompute = llm.config.num_hidden_layers if e.model.activation_checkpointing else 0
    return Parts(
        **used,
        fp8=used["layers"] and e.kernels.frozen_weights == "fp8",
        recompute=None if recompute == "auto" else recompute,
        max_length=e.max_length,
        tokens=e.max_length * e.data.micro_batch_size,
        dtype=DTYPES[e.precision.dtype],
        group=group,
    )


def used(e: Experiment, step: Step | None) -> dict[str, Any]:
    """What trained, in the words of the configuration; `recompute_layers` null where transformers' layers
    were computed again as `model.activation_checkpointing` says."""
    own = step.parts if step else None
    return {
        **{part: name if own and getattr(own, part) else "stock" for part, name in OWN.items()},
        "frozen_weights": "fp8" if own and own.fp8 else "native",
        "optimizer": e.kernels.optimizer,
        "recompute_layers": step.recompute if step and own.layers else None,
    }


def _share(llm: nn.Module, group: SequenceGroup, by_rows: bool) -> None:
    """WorkError where sequences of `llm` cannot be shared."""
    config = llm.config
    if not by_rows:
        raise WorkError("parallelism.sequence_parallel needs kernels.attention=rows, which cannot be here")
    for name in ("num_attention_heads", "num_key_value_heads"):
        if getattr(config, name) % group.size:
            raise WorkError(
                f"parallelism.sequence_parallel={group.size} does not divide the model's {name}, "
                f"{getattr(config, name)}"
            )


def _used(e: Experiment, part: Part, llm: nn.Module) -> bool:
    if not possible(e, part):
        return False
    reason = unfit(llm, part, e.max_length)
    if reason and getattr(e.kernels, part) != "auto":
        raise WorkError(f"kernels.{part}={OWN[part]} cannot be: {reason}")
    if reason and part == "layers" and e.kernels.frozen_weights == "fp8":
        raise WorkError(f"kernels.frozen_weights=fp8 cannot be: fused layers alone read it, and {reason}")
    return reason is None
