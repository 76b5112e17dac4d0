"""Peak memory of an accelerator in training, by part; docs/plan.md has the formulas and their sources.

An iteration is looked at in four phases, between which bytes only grow or only fall, and the widest one is
the peak: the loss (every layer's activations are kept, and logits are there), the backward pass of the last
layer and that of the first one, and the optimiser's step.
"""

from dataclasses import dataclass, fields, replace

from ftcore.config.schema import Experiment
from ftcore.plan import experts
from ftcore.plan.activations import Layer, layer, logits
from ftcore.plan.architecture import Architecture
from ftcore.plan.batch import batch
from ftcore.plan.parts import Parts, parts
from ftcore.plan.room import fewest, for_activations, working
from ftcore.plan.states import States, gathered_head, states, trained_parameters, zero_of

GIB = 2**30

WORKSPACE = 2 * 32 * 2**20
"""cuBLAS's workspace, 32 MiB on sm_90 (fewer on older cards), for the thread of the forward pass and for that
of the backward pass: torch's `getChosenWorkspaceSize`, which takes it from its own allocator."""

CONTEXT = 600 * 2**20
"""The driver's context with the kernels that are loaded: outside torch's allocator. Assumed, not measured."""

COLLECTIVES = 400 * 2**20
"""NCCL's or RCCL's buffers where there are several ranks; outside torch's allocator too. Assumed."""

MARGIN = 0.05
"""Share of the card that has to stay free for a plan to say that it fits: the allocator's own waste, and this
model's error."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Bytes on one rank's device at one moment. The sum without `framework` is what
    `torch.cuda.max_memory_allocated` counts."""

    weights: int
    """Frozen weights."""

    trained: int
    """Trained weights, as the forward pass reads them."""

    copies: int
    """Of adapters in the compute type: fused layers' own, or autocast's."""

    gradients: int
    optimizer: int
    """AdamW's moments, and fp32 masters where there are some."""

    activations: int
    """What layers keep for the backward pass."""

    logits: int
    """Logits, the loss and their gradients."""

    temporary: int
    """What a layer's backward pass or the optimiser's step works in."""

    communication: int
    """DeepSpeed's and ddp's buckets, and weights gathered by ZeRO-3."""

    workspace: int
    """cuBLAS's."""

    framework: int
    """Context and collectives, outside torch's allocator."""

    @property
    def total(self) -> int:
        return sum(getattr(self, name) for name in NAMES)

    @property
    def allocated(self) -> int:
        return self.total - self.framework


@dataclass(frozen=True, slots=True)
class Memory:
    """An iteration's peak."""

    phase: str
    """Where the peak is."""

    peak: Terms
    phases: dict[str, int]
    """Bytes in all at the widest point of each."""

    recomputed: int
    """Layers whose activations are computed again."""

    def fits(self, card_gib: float | None) -> bool | None:
        """Whether it fits, with MARGIN to spare; None where the card's memory is unknown."""
        return None if card_gib is None else self.peak.total <= (1 - MARGIN) * card_gib * GIB


def memory(e: Experiment, a: Architecture, labelled: float = 1.0) -> Memory:
    """The peak of `e` training `a`, at most: full sequences, of which `labelled` (a share) carry a label."""
    p = parts(e, a)
    s, one, n = states(e, a, p), layer(e, a, p), trained_parameters(e, a)
    again = recomputed(e, a, p, s, one)
    copied = n - experts.trained(e, a)
    kept, last = _kept(a, p, one, again, copied)
    head = logits(e, a, p, labelled, _cached(a, p, again, copied))
    held = s.gradients if batch(e).accumulation > 1 else 0
    seen = {
        "loss": _terms(e, replace(s, communication=s.standing + gathered_head(e, a, p)), held, kept, head, 0),
        # The last layer's gradients are there, and those of the head that came before it.
        "backward, last layer": _terms(e, s, max(held, s.gradients // a.layers), kept + last, 0, one.working),
        "backward, first layer": _terms(e, s, s.gradients, one.kept, 0, one.working),
        "step": _terms(e, replace(s, communication=s.standing), s.stepping, 0, 0, _stepping(e, n)),
    }
    phase = max(seen, key=lambda name: seen[name].total)
    return Memory(phase, seen[phase], {name: terms.total for name, terms in seen.items()}, again)


def recomputed(e: Experiment, a: Architecture, p: Parts, s: States, one: Layer) -> int:
    """Layers that are computed again. `kernels.recompute_layers=auto` is the fewest for
    which there is room, counted as on the card (`ftcore.training.fast.memory.to_recompute`)."""
    asked = e.kernels.recompute_layers if p.layers else None
    if asked is None:
        return a.layers if e.model.activation_checkpointing else 0
    if asked != "auto":
        return min(asked, a.layers)
    if e.hardware.memory_gib is None:
        return 0
    card = int(e.hardware.memory_gib * GIB)
    trained = trained_parameters(e, a)
    masters = 4 * trained // e.world_size if zero_of(e) else 0
    there = s.weights + s.trained + s.copies + masters + framework(e)
    room = for_activations(card - there, card, trained) - working(
        p.tokens, p.compute, a.hidden, a.intermediate
    )
    return fewest(room, a.layers, one)


def framework(e: Experiment) -> int:
    """Bytes outside torch's allocator."""
    return CONTEXT + (COLLECTIVES if e.world_size > 1 else 0)


def _kept(a: Architecture, p: Parts, one: Layer, again: int, copied: int) -> tuple[int, int]:
    """(kept by all layers, and what the last one, computed again, has on top)."""
    kept = again * one.again + (a.layers - again) * one.kept
    if not p.layers and p.trained != p.compute:
        # Autocast's 16-bit copies of what is trained: held by the graph, of the layers that are kept.
        kept += (a.layers - again) * (p.compute * copied // a.layers)
    return kept, one.kept if again == a.layers else 0


def _cached(a: Architecture, p: Parts, again: int, copied: int) -> int:
    """Autocast's 16-bit copies of what is trained in layers that are computed again: no graph holds them, but
    autocast itself does until the forward pass is over."""
    return 0 if p.layers or p.trained == p.compute else p.compute * copied * again // a.layers


def _stepping(e: Experiment, trained: int) -> int:
    """AdamW's foreach form makes a list of all denominators, fp32; the fused kernel makes none. DeepSpeed
    makes its shard's gradients fp32 before (unless it steps on the CPU)."""
    zero = zero_of(e)
    shard = e.world_size if zero and zero.stage else 1
    if zero and zero.offload_optimizer:
        return 0
    foreach = 4 * trained // shard if e.kernels.optimizer == "stock" else 0
    return foreach + (4 * trained // shard if zero and e.precision.dtype != "fp32" else 0)


def _terms(e: Experiment, s: States, gradients: int, kept: int, logits: int, temporary: int) -> Terms:
    return Terms(
        weights=s.weights,
        trained=s.trained,
        copies=s.copies,
        gradients=gradients,
        optimizer=s.optimizer,
        activations=kept,
        logits=logits,
        temporary=temporary,
        communication=s.communication,
        workspace=WORKSPACE,
        framework=framework(e),
    )


NAMES = tuple(field.name for field in fields(Terms))
"""Of the terms, in order."""
