"""Bytes that ranks send each other, and over which link: volume over speed.

A ring of W ranks sends each of them (W - 1) / W of what it gathers or scatters, and twice that of what it
adds up (Rabenseifner; NCCL's rings). On several nodes every ring crosses each node's network link, which
the node's ranks share: the slower of the two links sets the time.
"""

from dataclasses import dataclass

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.parts import Parts
from ftcore.plan.states import trained_parameters, zero_of

NETWORK = 100e9 / 8
"""Bytes a second of a node's network, where `cluster.network_gbps` is null: 100 Gbit/s. Assumed."""

LINK = 160e9 / 8
"""Bytes a second between the cards of a node, where neither a calibration nor `hardware.link_gbps` says: PCIe
4.0 x16 at three fifths. Assumed."""


@dataclass(frozen=True, slots=True)
class Link:
    """The slowest link of a ring."""

    speed: float
    """Bytes a second."""

    source: str
    assumed: bool


@dataclass(frozen=True, slots=True)
class Volume:
    """Bytes over the slowest link."""

    iteration: float
    """In every iteration: what it cannot do without (ZeRO-3's weights), and gradients where each adds up."""

    gathered: float
    """Of `iteration`, weights."""

    step: float
    """Once a step."""


def link(e: Experiment, measured: float | None) -> Link:
    """Of all ranks of `e`."""
    inside = Link(LINK, "assumed", True)
    if e.hardware.link_gbps is not None:
        inside = Link(e.hardware.link_gbps * 1e9 / 8, "hardware.link_gbps", False)
    elif measured is not None:
        inside = Link(measured, "calibrated", False)
    if e.nodes == 1:
        return inside
    between = Link(NETWORK, "assumed 100 Gbit/s a node (cluster.network_gbps)", True)
    if e.cluster.network_gbps is not None:
        between = Link(e.cluster.network_gbps * 1e9 / 8, "cluster.network_gbps", False)
    return min(inside, between, key=lambda one: one.speed)


def volume(e: Experiment, a: Architecture, p: Parts, again: int) -> Volume:
    """What the ranks of `e` exchange.

    ddp adds gradients up once a step (mmengine keeps them back before), ZeRO-1 too, and gathers what it
    stepped; ZeRO-2 and 3 scatter them in every iteration. ZeRO-3 gathers every weight forward and backward,
    and once more where layers are computed again.
    """
    ranks, zero = e.world_size, zero_of(e)
    if ranks == 1:
        return Volume(0.0, 0.0, 0.0)
    share, n = (ranks - 1) / ranks, trained_parameters(e, a)
    gradients = p.trained * n * share
    stage = zero.stage if zero else 0
    if stage == 0:
        return Volume(0.0, 0.0, 2 * gradients)
    if stage == 1:
        return Volume(0.0, 0.0, 2 * gradients)
    if stage == 2:
        return Volume(gradients, 0.0, gradients)
    passes = 2 + again / a.layers
    frozen = 0 if e.lora.method == "full" else p.weights * a.parameters
    gathered = passes * share * (frozen + p.trained * n)
    return Volume(gathered + gradients, gathered, 0.0)
