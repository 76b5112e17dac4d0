"""Rates of cards that nobody has calibrated: the vendor's peak, times shares that are assumed.

The shares are what one H100 gives (`conf/rates`), rounded down; another card with other software gives other
ones. A plan says `assumed` beside whatever comes of them.
"""

import re
from dataclasses import dataclass

from ftcore.plan.rates import KernelRates, Rates


@dataclass(frozen=True, slots=True)
class Peak:
    """Dense 16-bit operations a second and bytes a second, as the vendor states them."""

    operations: float
    memory: float


CARDS = {
    "V100": Peak(125e12, 0.9e12), "T4": Peak(65e12, 0.32e12),
    "A100": Peak(312e12, 2.0e12), "A100 40GB": Peak(312e12, 1.56e12), "A800": Peak(312e12, 2.0e12),
    "A30": Peak(165e12, 0.93e12), "A10": Peak(125e12, 0.6e12), "A40": Peak(150e12, 0.7e12),
    "A6000": Peak(155e12, 0.77e12), "RTX 3090": Peak(71e12, 0.94e12),
    "L4": Peak(60e12, 0.3e12), "L20": Peak(119e12, 0.86e12), "L40": Peak(181e12, 0.86e12),
    "L40S": Peak(362e12, 0.86e12), "RTX 4090": Peak(165e12, 1.0e12),
    "H20": Peak(148e12, 4.0e12), "H100": Peak(989e12, 3.35e12), "H100 PCIE": Peak(756e12, 2.0e12),
    "H100 NVL": Peak(835e12, 3.9e12), "H800": Peak(989e12, 3.35e12), "H200": Peak(989e12, 4.8e12),
    "GH200": Peak(989e12, 4.0e12), "B200": Peak(2250e12, 8.0e12), "RTX 5090": Peak(209e12, 1.79e12),
}  # fmt: skip
"""By words of the card's name, from NVIDIA's data sheets (dense, bf16 with fp32 sums; fp16 where a card has
no bf16). One architecture has cards of very different speed: an H20 computes a seventh of an H100's work."""

PEAKS = {
    "sm_70": CARDS["V100"],
    "sm_80": CARDS["A100"],
    "sm_90": CARDS["H100"],
    "gfx906": Peak(24e12, 1.0e12),
    "gfx926": Peak(100e12, 0.9e12),
    "gfx928": Peak(192e12, 0.9e12),
    "gfx936": Peak(480e12, 1.6e12),
}
"""Of a card of another name, by its architecture; the last four of Z100, K100, K100_AI and BW1000 as
published by dealers and clouds, not verified."""

HOST = 12e9
"""Bytes a second between card and host: PCIe 3.0 x16."""

OPTIMIZER = 50.0
"""Bytes a parameter of AdamW's step and the gradients' norm, passes of the foreach form among them."""


ROOF = 0.8
"""Share of its peak that a large product gets (79 % on an H100)."""


def peak_of(card: str, arch: str | None) -> tuple[Peak, str] | None:
    """The peak of a card with this name (`NVIDIA H20`), and what it was known by; None where neither the name
    nor the architecture is known."""
    words = set(re.split(r"[\s_-]+", card.upper()))
    if known := [name for name in CARDS if set(name.split()) <= words]:
        return CARDS[max(known, key=lambda name: len(name.split()))], card
    return (PEAKS[arch], arch) if arch in PEAKS else None


def roof(card: str, arch: str | None, dtype: str) -> float | None:
    """Operations a second that no product of 16 bit goes beyond; None where the peak is not known."""
    known = peak_of(card, arch)
    return None if known is None or dtype == "fp32" else ROOF * known[0].operations


def assumed(card: str, arch: str | None, accelerator: str, dtype: str) -> Rates | None:
    """Rates of a card of a known peak; None of one that is not known, and in fp32."""
    known = peak_of(card, arch)
    if known is None or dtype == "fp32":
        return None
    peak, whose = known
    seconds = OPTIMIZER / peak.memory
    return Rates(
        card=card, arch=arch, accelerator=accelerator, dtype=dtype, measured="", torch="",
        kernels={
            "stock": _kernels(peak, linear=0.6, head=0.35, elementwise=0.35, launch=3e-3),
            "fast": _kernels(peak, linear=0.6, head=0.55, elementwise=0.35, launch=2e-3),
            "fast_fp8": _kernels(peak, linear=1.0, head=0.55, elementwise=0.3, launch=2e-3),
        },
        memory=0.8 * peak.memory,
        optimizer={"stock": 2 * seconds, "fused": seconds},
        link=None,
        to_host=HOST,
        source=f"assumed shares of the {peak.operations / 1e12:g} TFLOP/s that {whose} has at its peak",
    )  # fmt: skip


def _kernels(peak: Peak, linear: float, head: float, elementwise: float, launch: float) -> KernelRates:
    return KernelRates(
        linear=linear * peak.operations,
        attention=0.3 * peak.operations,
        masked_attention=0.15 * peak.operations,
        elementwise=elementwise * peak.memory,
        head=head * peak.operations,
        launch=launch,
        launch_again=launch / 2,
        launch_fixed=4 * launch,
        error=0.0,
    )
