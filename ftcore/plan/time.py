"""How long an experiment takes: work over rates, volumes over links, and what stands beside the training.

Every term is an amount, a rate, where the rate is from, and the seconds that come of them; docs/plan.md has
the formulas. The card and the CPU that starts its kernels work at once, so an iteration takes the longer of
the two; what ranks exchange is added to it (how much of it hides behind the backward pass is in the range).
"""

from dataclasses import asdict, dataclass
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.plan.activations import layer
from ftcore.plan.architecture import Architecture
from ftcore.plan.assumed import assumed
from ftcore.plan.batch import batch
from ftcore.plan.links import link, volume
from ftcore.plan.memory import recomputed
from ftcore.plan.parts import Parts, parts
from ftcore.plan.rates import KernelRates, Rates
from ftcore.plan.rates_file import of_card
from ftcore.plan.states import states, trained_parameters, zero_of
from ftcore.plan.tokens import micro, trained_tokens
from ftcore.plan.work import Passes, Work, how, work

CALIBRATED, ASSUMED = (0.93, 1.10), (0.6, 2.5)
"""What an iteration may take, as shares of what is estimated: with calibrated rates (the fit's own error
comes on top), and with assumed ones."""

STATED, UNSTATED = (0.9, 1.25), (0.5, 10.0)
"""What an exchange may take, as shares of volume over speed: with a link that is measured or stated, and with
an assumed one. Tenfold: what the recipe's run took to gather its weights, against 100 Gbit/s."""

WITHOUT_ADAPTERS, QUANTISED, SPARSE = 0.73, 1.55, 1.5
"""Of a layer's launches: without PEFT's modules, with bitsandbytes', and of one with experts. Each from one
run (1b_full, 8b_qlora and moe_kept in bench/plan)."""

LOOP = 0.04
"""Seconds of the CPU for a step beside its iterations: mmengine's loop, hooks, data and the optimiser's own
launches. From one run on two machines (1b_fast_short)."""

FETCH = 475e-6
"""Seconds of the CPU for a module that ZeRO-3 fetches and lets go, with nothing to gather: from one run on
one card (8b_zero3 in bench/plan)."""

CPU_ADAM = 1e9
"""Parameters a second that DeepSpeed's CPU optimiser steps on one rank's cores. Assumed."""


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a step, or of the whole job."""

    name: str
    amount: float
    unit: str
    rate: float
    """In units a second."""

    source: str
    """Of the rate."""

    times: int = 1
    """How often it comes in a step."""

    @property
    def seconds(self) -> float:
        return self.times * self.amount / self.rate


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step."""

    terms: tuple[Term, ...]
    launches: float
    """Seconds of the CPU for all its iterations."""

    source: str
    low: float
    """Share of `seconds` that it may take at least."""

    high: float

    @property
    def card(self) -> float:
        """Seconds of the card in all iterations of a step."""
        return sum(one.seconds for one in self.terms if one.name in ON_CARD)

    @property
    def waiting(self) -> float:
        """Seconds that the card waits for the CPU to start kernels, of the optimiser too where it steps."""
        stepped = sum(one.seconds for one in self.terms if one.name == OPTIMIZER)
        return max(0.0, self.launches - self.card - stepped)

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.terms) + self.waiting

    @property
    def parts(self) -> dict[str, float]:
        """Seconds by part."""
        found = {one.name: one.seconds for one in self.terms if one.seconds}
        return found | ({"launches": self.waiting} if self.waiting else {})


OPTIMIZER, ON_CPU = "optimizer", "optimizer, on the CPU"

ON_CARD = (
    "linear forward", "linear backward", "linear recompute", "attention", "elementwise", "head and loss",
)  # fmt: skip


def rates_of(e: Experiment) -> Rates | None:
    """What is known or assumed of the experiment's card; None where nothing is."""
    found = of_card(e) if e.hardware.rates is not None else None
    return found or assumed(e.hardware.card, e.hardware.arch, e.hardware.accelerator, e.precision.dtype)


def step(e: Experiment, a: Architecture, data: dict[str, Any]) -> Step | None:
    """A step of `e` in the mean; None where the card's rates are not known."""
    rates = rates_of(e)
    if rates is None:
        return None
    p = parts(e, a)
    again = recomputed(e, a, p, states(e, a, p), layer(e, a, p))
    per_token = _of_kernels(rates, p)
    if per_token is None:
        return None
    done = work(a, how(e, p), micro(e, p, data), again)
    times = batch(e).accumulation
    terms = [*_computing(done, per_token, rates, times), *_stepping(e, a, rates)]
    exchanged = _exchange(e, a, p, again, rates, times)
    hosted = _from_host(e, a, p, again, rates, times)
    launches = LOOP + times * _launches(e, a, again, per_token)
    whole = Step((*terms, *exchanged, *hosted), launches, rates.source, 1.0, 1.0)
    low, high = _range(e, whole, rates, per_token, exchanged)
    return Step(whole.terms, launches, rates.source, low, high)


def _of_kernels(rates: Rates, p: Parts) -> KernelRates | None:
    """Of the set that computes each part: layers, attention and loss may be of different ones."""
    fast = "fast_fp8" if p.fp8 else "fast"
    layers = rates.kernels.get(fast if p.layers else "stock")
    attention = rates.kernels.get(fast if p.attention else "stock", layers)
    loss = rates.kernels.get(fast if p.loss else "stock", layers)
    if layers is None or attention is None or loss is None:
        return None
    return KernelRates(
        **asdict(layers)
        | {
            "attention": attention.attention,
            "masked_attention": attention.masked_attention,
            "head": loss.head,
        }
    )


def _computing(done: Work, by: KernelRates, rates: Rates, times: int) -> list[Term]:
    attention = by.masked_attention if done.masked and by.masked_attention else by.attention
    linear: Passes = done.linear
    rows = [
        ("linear forward", linear.forward, "operations", by.linear),
        ("linear backward", linear.backward, "operations", by.linear),
        ("linear recompute", linear.recompute, "operations", by.linear),
        ("attention", done.attention.total, "operations", attention),
        ("elementwise", done.elementwise.total, "bytes", by.elementwise),
        ("head and loss", done.head, "operations", by.head),
    ]
    return [Term(name, amount, unit, rate, rates.source, times) for name, amount, unit, rate in rows]


def _stepping(e: Experiment, a: Architecture, rates: Rates) -> list[Term]:
    """AdamW over the rank's share of what is trained; where it is offloaded, the CPU's."""
    n, zero = trained_parameters(e, a), zero_of(e)
    share = n / (e.world_size if zero and zero.stage else 1)
    if zero and zero.offload_optimizer:
        return [Term(ON_CPU, share, "parameters", CPU_ADAM, "assumed")]
    one = rates.optimizer[e.kernels.optimizer]
    return [Term(OPTIMIZER, share, "parameters", 1 / one, rates.source)]


def _exchange(e: Experiment, a: Architecture, p: Parts, again: int, rates: Rates, times: int) -> list[Term]:
    over, sent = link(e, rates.link), volume(e, a, p, again)
    gradients = sent.iteration - sent.gathered
    return [
        Term("weights gathered", sent.gathered, "bytes", over.speed, over.source, times),
        Term("gradients scattered", gradients, "bytes", over.speed, over.source, times),
        Term("gradients added up", sent.step, "bytes", over.speed, over.source),
    ]


def _from_host(e: Experiment, a: Architecture, p: Parts, again: int, rates: Rates, times: int) -> list[Term]:
    """With `offload_param` each rank's shard comes from the host for every pass."""
    zero = zero_of(e)
    if not zero or not zero.offload_param:
        return []
    passes = 2 + again / a.layers
    amount = passes * p.compute * a.parameters / e.world_size
    speed = rates.to_host or 12e9
    return [Term("weights from host", amount, "bytes", speed, rates.source, times)]


def _launches(e: Experiment, a: Architecture, again: int, by: KernelRates) -> float:
    """Seconds of the CPU for an iteration."""
    sparse = a.sparse_layers
    layers = (a.layers - sparse + SPARSE * sparse) * by.launch + again * by.launch_again
    if e.lora.method == "full":
        layers *= WITHOUT_ADAPTERS
    elif e.lora.quantization:
        layers *= QUANTISED
    return layers + by.launch_fixed + (_fetches(e, a, again) if e.zero_stage == 3 else 0.0)


def _fetches(e: Experiment, a: Architecture, again: int) -> float:
    """Seconds of the CPU that ZeRO-3's hooks take: for every module with weights, in every pass."""
    linears, norms = sum(count for _, count in a.linears), 2 * a.layers
    adapted = () if e.lora.method == "full" else a.targeted(e.lora.targets)
    adapters = 2 * sum(count for _, count in adapted)
    return FETCH * (linears + adapters + norms) * (2 + again / a.layers)


def _range(
    e: Experiment, whole: Step, rates: Rates, by: KernelRates, exchanged: list[Term]
) -> tuple[float, float]:
    """Shares of a step's seconds between which it lies: at least the longer of computing and exchanging, as
    if the one hid behind the other, and at most both, each at its slowest."""
    low, high = CALIBRATED if rates.measured else ASSUMED
    low, high = max(0.3, low - 2 * by.error), high + 2 * by.error
    fast, slow = UNSTATED if link(e, rates.link).assumed else STATED
    sent = sum(one.seconds for one in exchanged)
    rest = whole.seconds - sent
    return max(low * rest, fast * sent) / whole.seconds, (high * rest + slow * sent) / whole.seconds


def tokens_per_second(e: Experiment, data: dict[str, Any], seconds: float) -> float:
    """Real tokens of all ranks."""
    return e.world_size * batch(e).accumulation * trained_tokens(e, data) / seconds
