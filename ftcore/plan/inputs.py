"""Bytes a token of the inputs that linear layers keep, since something is trained on them."""

from collections.abc import Sequence

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Linear
from ftcore.plan.parts import Parts

Group = Sequence[Linear]
"""Layers that read one input."""


def kept_inputs(e: Experiment, p: Parts, groups: Sequence[Group]) -> int:
    """Of transformers' layers (5.17) through PEFT (0.21), by what autograd saves.

    Full fine-tuning keeps the input of each group. A 16-bit input of an fp32 adapter is cast to fp32, and
    under autocast back to 16 bit, anew for every layer: each keeps its own. An adapter of the input's own
    type keeps that, shared by those that read it. Dropout gives each an input of its own, and a mask, a byte
    an element. Attention's output, which o_proj reads, is kept already.
    """
    s, targets, bytes_ = p.compute, e.lora.targets, 0
    if e.lora.method == "full":
        return s * sum(group[0].inputs for group in groups if group and group[0].name != "o_proj")
    apart = p.trained != s or e.lora.dropout > 0
    for group in groups:
        targeted = [one for one in group if targets is None or one.name in targets]
        if not targeted:
            continue
        bytes_ += s * e.lora.rank * len(targeted)
        if apart:
            bytes_ += sum(one.inputs for one in targeted) * (s + (e.lora.dropout > 0))
        elif targeted[0].name != "o_proj":
            bytes_ += s * targeted[0].inputs
    return bytes_
