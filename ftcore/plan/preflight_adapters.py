"""What adapters cannot be attached to, where the model's shape is known."""

from collections.abc import Iterator

from ftcore.config.errors import Problem, nearest
from ftcore.config.schema import Experiment
from ftcore.plan.architecture import GATE_UP, Architecture
from ftcore.plan.needs import shape

BESIDE_LAYERS = ("lm_head", "embed_tokens")
"""To which an adapter may be attached too."""


def adapters(e: Experiment) -> Iterator[Problem]:
    """Of `lora.targets` and what goes with them."""
    a, _ = shape(e.model.path)
    if a is None or e.lora.method == "full":
        return
    yield from _experts(e, a) if a.experts else _layers(e, a)


def _layers(e: Experiment, a: Architecture) -> Iterator[Problem]:
    """Layers that a dense model has not: PEFT passes over a name as long as another one is there. Experts are
    called otherwise in other versions of transformers."""
    known = [layer.name for layer, _ in a.targeted(None)]
    for name in e.lora.targets or ():
        if name.rpartition(".")[2] not in (*known, *BESIDE_LAYERS):
            message = f"the {a.family} family has no layer {name}"
            yield Problem("lora.targets", message, ", ".join(known), nearest(name, known))


def _experts(e: Experiment, a: Architecture) -> Iterator[Problem]:
    """What PEFT (0.21) refuses of adapters on tensors of experts."""
    if not any(a.adapted_experts(e.lora.targets)):
        return
    if e.lora.dropout:
        message = "there is no dropout before adapters on experts, which are added to the weights themselves"
        yield Problem("lora.dropout", message, "0.0, or lora.targets without gate_proj, up_proj, down_proj")
    named = [name for name in GATE_UP if e.lora.targets is None or name in e.lora.targets]
    if len(named) == 1:
        message = f"{named[0]} of experts is one tensor with {next(n for n in GATE_UP if n not in named)}"
        yield Problem("lora.targets", message, f"both of {', '.join(GATE_UP)}, or neither")
