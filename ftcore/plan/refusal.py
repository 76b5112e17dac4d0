"""Whether an experiment cannot fit its card, said before it is queued, and what would."""

from ftcore.config.errors import Problem
from ftcore.config.schema import Experiment
from ftcore.config.schema.kernels import FUSED_FAMILIES
from ftcore.plan.architecture import Architecture
from ftcore.plan.data import Seen, data_of
from ftcore.plan.fit import TOKENS, Turned, fit
from ftcore.plan.memory import GIB, MARGIN, Memory, memory
from ftcore.plan.needs import shape
from ftcore.plan.parts import parts
from ftcore.plan.states import zero_of

ERROR = 0.05
"""Share of the card by which what is predicted has to be over it: the model's largest error where it was
measured is 1.9 % (docs/plan.md)."""

ROUGH_ERROR = 0.3
"""The same for what is known only roughly: 8-bit weights, sequences shared by ranks, and experts of families
that were not compared with a card."""

COMPARED = "qwen3_moe"
"""The family of experts that was (docs/plan.md)."""

FORCE = "--force queues it all the same"
TURNED: tuple[Turned, ...] = ("max_length", "micro_batch_size", "nodes")


class Room:
    """Asks of many experiments; models and data that they share are looked at once."""

    def __init__(self) -> None:
        self._shapes: dict[str, Architecture | None] = {}
        self._seen: Seen = {}

    def refused(self, e: Experiment) -> Problem | None:
        """Why `e` cannot fit; None where it can, or might, or nobody knows."""
        found = self.needs_more(e)
        return None if found is None else self.problem(e, found)

    def needs_more(self, e: Experiment) -> Memory | None:
        """What `e` needs at least, where that is surely more than there is."""
        a, card = self._shape(e), e.hardware.memory_gib
        if a is None or card is None or not _over(e, a, memory(e, a), card):
            return None
        # Shorter sequences than `max_length` allows may be all that there are.
        least = e.model_copy(update={"max_length": self._longest(e)})
        found = memory(least, a)
        return found if _over(least, a, found, card) else None

    def problem(self, e: Experiment, found: Memory) -> Problem:
        """That it needs so much, and what would fit."""
        a = self._shape(e)
        assert a is not None
        message = (
            f"{found.peak.allocated / GIB:.1f} GiB needed at the peak ({found.phase}), and one "
            f"{e.hardware.card} has {e.hardware.memory_gib:g}"
        )
        return Problem("hardware.memory_gib", message, f"{_instead(e, a)}; {FORCE}")

    def warning(self, e: Experiment) -> str | None:
        """What is to be said of an `e` that is not refused and may still not fit."""
        a = self._shape(e)
        found = memory(e, a) if a else None
        if found is None or found.fits(e.hardware.memory_gib) is not False:
            return None
        return (
            f"it may not fit: {found.peak.total / GIB:.1f} GiB are expected at the peak, of "
            f"{e.hardware.memory_gib:g} less {MARGIN:.0%} (`plan` has the parts)"
        )

    def _shape(self, e: Experiment) -> Architecture | None:
        if e.hardware.accelerator == "cpu":
            return None
        if e.model.path not in self._shapes:
            self._shapes[e.model.path] = shape(e.model.path)[0]
        return self._shapes[e.model.path]

    def _longest(self, e: Experiment) -> int:
        """Tokens that the longest sequence has at least."""
        data = data_of(e, self._seen)
        tokens = data["between"]["tokens"][0] if data["between"] else data["tokens"]
        least = tokens if e.data.packing else data["longest"]
        if data["basis"] is None or (data["sampled"] and not data["sampled"]["tokenizer"]):
            # Packing fills sequences, but for data so small that it does not fill one.
            least = e.max_length if e.data.packing else TOKENS
        step = e.parallelism.sequence_parallel
        return max(step, min(e.max_length, least) // step * step)


def _over(e: Experiment, a: Architecture, found: Memory, card_gib: float) -> bool:
    """Whether it is sure that so much does not fit. What ZeRO-3 gathers is the most there can be."""
    peak = found.peak
    sure = peak.allocated - (peak.communication if e.zero_stage == 3 else 0)
    return sure > (1 + _error(e, a)) * card_gib * GIB


def _error(e: Experiment, a: Architecture) -> float:
    quantization = e.lora.quantization
    rough = e.parallelism.sequence_parallel > 1 or (quantization is not None and quantization.bits == 8)
    rough |= bool(a.experts) and a.family != COMPARED
    return ROUGH_ERROR if rough else ERROR


def _instead(e: Experiment, a: Architecture) -> str:
    """Settings of one key that fit, as `plan --fit` finds them, and keys that may help."""
    words = []
    for turned in TURNED:
        found = fit(e, a, turned)
        if found.value is not None:
            words.append(f"{found.key}={found.value}")
    fused = not parts(e, a).loss and a.family in FUSED_FAMILIES
    others = ["kernels.loss=fused" if fused else "", _again(e), _sharing(e), _training(e)]
    helped = ", ".join(filter(None, others))
    alone = f"{' or '.join(words)} (plan --fit)" if words else "no max_length, micro batch or nodes alone"
    return f"{alone}; see also {helped}" if helped else alone


def _again(e: Experiment) -> str:
    if isinstance(e.kernels.recompute_layers, int):
        return "kernels.recompute_layers=auto"
    return "" if e.model.activation_checkpointing else "model.activation_checkpointing=true"


def _sharing(e: Experiment) -> str:
    zero = zero_of(e)
    return "" if zero and zero.stage == 3 and zero.offload_param else "parallelism=zero3_offload"


def _training(e: Experiment) -> str:
    return {"full": "lora=lora", "lora": "lora=qlora"}.get(e.lora.method, "")
