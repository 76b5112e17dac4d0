"""How fast a card does each kind of work, and how that is told from measured training steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ftcore.plan.least_squares import bounded, dot, non_negative
from ftcore.plan.work import Work


@dataclass(frozen=True, slots=True)
class KernelRates:
    """Of one set of kernels. Operations and bytes a second are of the whole training step's counts
    (`ftcore.plan.work`), not of a single product alone."""

    linear: float
    """Operations a second of linear layers with their adapters."""

    attention: float
    """Operations a second, causal, without a mask."""

    masked_attention: float | None
    """Operations a second behind a mask; null where these kernels have none."""

    elementwise: float
    """Bytes a second of all else in the layers."""

    head: float
    """Operations a second of the head, the loss going with them."""

    launch: float
    """Seconds of the CPU for a layer, forward and backward: no micro batch takes less."""

    launch_again: float
    """Seconds more for a layer that is computed again."""

    launch_fixed: float
    """Seconds of the CPU for the rest of a micro batch."""

    error: float
    """Root mean square of the fit's relative errors."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one kind of card."""

    card: str
    arch: str | None
    accelerator: str
    dtype: str
    measured: str
    """When, UTC, ISO 8601."""

    torch: str
    kernels: Mapping[str, KernelRates]
    memory: float
    """Bytes a second of a copy, read and written."""

    optimizer: Mapping[str, float]
    """Seconds a trained parameter of AdamW's step with the gradient norm: stock, fused."""

    link: float | None
    """Bytes a second of an all-reduce between the cards of a node, as if each byte were sent once round the
    ring (bus bandwidth); null with one card."""

    to_host: float | None
    """Bytes a second from card to host, pinned."""

    source: str = ""
    """The file."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds of one micro batch of known work."""

    name: str
    work: Work
    seconds: float
    launch_bound: bool = False
    """So few tokens that the CPU alone sets the time."""


def gpu_seconds(work: Work, rates: KernelRates) -> dict[str, float]:
    """Seconds of the card by part: linear, attention, elementwise, head."""
    attention = rates.masked_attention if work.masked and rates.masked_attention else rates.attention
    return {
        "linear": work.linear.total / rates.linear,
        "attention": work.attention.total / attention,
        "elementwise": work.elementwise.total / rates.elementwise,
        "head": work.head / rates.head,
    }


def launch_seconds(work: Work, rates: KernelRates) -> float:
    """Seconds that the CPU needs to start a micro batch's kernels; the card works meanwhile."""
    return work.layers * rates.launch + work.again * rates.launch_again + rates.launch_fixed


def micro_seconds(work: Work, rates: KernelRates) -> float:
    """Seconds of a micro batch: the longer of what the card and what the CPU needs."""
    return max(sum(gpu_seconds(work, rates).values()), launch_seconds(work, rates))


def fit(found: Sequence[Measurement], bandwidth: float, roof: float | None = None) -> KernelRates:
    """Rates that come nearest to `found`, in relative terms.

    A measurement is the card's or the CPU's, whichever needs longer. Those over CLEAR times their launches
    are the card's to begin with; then, again and again, all that come near what the card would need are, and
    launches are fitted to the rest: those of real layers take longer than those of tiny ones. What cannot be
    told apart (elementwise work goes with the tokens, as products of one width do) is held weakly near what a
    copy's `bandwidth` would give, and nothing computes faster than `roof`, operations a second of a large
    product. ValueError where there is too little.
    """
    tiny, others = _parted(found, lambda one: one.launch_bound)
    if not tiny:
        raise ValueError("no measurement that the CPU bounds")
    launch = _launches(tiny)
    card = _longest(others, launch)
    if len(card) < FEWEST:
        raise ValueError(f"{len(card)} measurements that the card bounds, and {FEWEST} are needed")
    for _ in range(ROUNDS):
        each = _seconds_each(card, bandwidth, roof)
        near, slow = _of_card(others, each, launch)
        launch = _launches([*tiny, *slow])
        if near == card or len(near) < FEWEST:
            break
        card = near
    linear, attention, masked, elementwise, head = _seconds_each(card, bandwidth, roof)
    rates = KernelRates(
        linear=1 / linear,
        attention=1 / attention,
        masked_attention=1 / masked if any(one.work.masked for one in card) else None,
        elementwise=1 / elementwise,
        head=1 / head,
        launch=launch[0],
        launch_again=launch[1],
        launch_fixed=launch[2],
        error=0.0,
    )
    wrong = [micro_seconds(one.work, rates) / one.seconds - 1 for one in card]
    return replace(rates, error=(sum(each**2 for each in wrong) / len(wrong)) ** 0.5)


def _longest(found: Sequence[Measurement], launch: Sequence[float]) -> list[Measurement]:
    """Those over CLEAR times their launches, or the FEWEST that are most so."""
    ranked = sorted(found, key=lambda one: one.seconds / _launch(one.work, launch), reverse=True)
    over = [one for one in ranked if one.seconds > _launch(one.work, launch)]
    clear = [one for one in over if one.seconds > CLEAR * _launch(one.work, launch)]
    chosen = clear if len(clear) >= FEWEST else over[:FEWEST]
    return [one for one in found if one in chosen]


def _of_card(
    found: Sequence[Measurement], each: Sequence[float], launch: Sequence[float]
) -> tuple[list[Measurement], list[Measurement]]:
    """(those of a card that needs `each`, those of the CPU)."""

    def is_one(one: Measurement) -> bool:
        clear = one.seconds > CLEAR * _launch(one.work, launch)
        return clear or one.seconds < NEAR * dot(_columns(one.work), each)

    return _parted(found, is_one)


def _seconds_each(bound: Sequence[Measurement], bandwidth: float, roof: float | None) -> list[float]:
    """Seconds an operation or byte, of `_columns`; all positive."""
    rows = [[each / one.seconds for each in _columns(one.work)] for one in bound]
    # Elementwise work at a copy's speed would be this share of the time.
    typical = sorted(row[3] for row in rows)[len(rows) // 2]
    prior = [0.0, 0.0, 0.0, PRIOR * typical, 0.0]
    least = 1 / roof if roof else 0.0
    found = bounded(
        [*rows, prior], [*[1.0] * len(rows), prior[3] / bandwidth], [least, least, least, 0.0, least]
    )
    if found[0] and found[4]:
        return [each or (1 / bandwidth if at == 3 else found[0]) for at, each in enumerate(found)]
    # Too noisy to tell parts apart: one rate for all operations, and a copy's bandwidth for the rest.
    rest = [max(0.0, 1 - row[3] / bandwidth) for row in rows]
    (each,) = non_negative([[sum(row) - row[3]] for row in rows], rest)
    if not each:
        raise ValueError("the measurements are shorter than what a copy of their bytes takes")
    return [each, each, each, 1 / bandwidth, each]


FEWEST = 4
"""Measurements of the card, to tell its rates apart."""

CLEAR = 2.0
"""How many times longer than its launches a measurement takes that is the card's beyond doubt."""

NEAR = 1.35
"""How many times longer than the card alone would need a measurement may take that is still the card's:
narrow layers compute that much more slowly, and a CPU that is waited for takes longer."""

ROUNDS = 8

PRIOR = 0.3
"""Weight of what a copy's bandwidth says, beside one measurement's 1."""


def _columns(work: Work) -> list[float]:
    attention = work.attention.total
    return [
        work.linear.total,
        0.0 if work.masked else attention,
        attention if work.masked else 0.0,
        work.elementwise.total,
        work.head,
    ]


def _parted(
    found: Sequence[Measurement], is_one: Callable[[Measurement], bool]
) -> tuple[list[Measurement], list[Measurement]]:
    return [one for one in found if is_one(one)], [one for one in found if not is_one(one)]


def _launches(found: Sequence[Measurement]) -> list[float]:
    """Seconds of the CPU for a layer, for one more of its forward pass, and for the rest."""
    rows = [[one.work.layers / one.seconds, one.work.again / one.seconds, 1 / one.seconds] for one in found]
    return non_negative(rows, [1.0] * len(found))


def _launch(work: Work, launch: Sequence[float]) -> float:
    return work.layers * launch[0] + work.again * launch[1] + launch[2]
