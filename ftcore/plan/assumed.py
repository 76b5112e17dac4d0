"""Rates of cards that nobody has calibrated: the vendor's peak, times shares that are assumed.

The shares are what one H100 gives (`conf/rates`), rounded down; another card with other software gives other
ones. A plan says `assumed` beside whatever comes of them.
"""

from dataclasses import dataclass

from ftcore.plan.rates import KernelRates, Rates


@dataclass(frozen=True, slots=True)
class Peak:
    """Dense 16-bit operations a second and bytes a second, as the vendor states them."""

    operations: float
    memory: float


PEAKS = {
    "sm_70": Peak(125e12, 0.9e12),
    "sm_80": Peak(312e12, 2.0e12),
    "sm_90": Peak(989e12, 3.35e12),
    "gfx906": Peak(24e12, 1.0e12),
    "gfx926": Peak(100e12, 0.9e12),
    "gfx928": Peak(192e12, 0.9e12),
    "gfx936": Peak(480e12, 1.6e12),
}
"""Of V100, A100 and H100 (SXM), from NVIDIA's data sheets; of Z100, K100, K100_AI and BW1000 as published by
dealers and clouds, not verified."""

HOST = 12e9
"""Bytes a second between card and host: PCIe 3.0 x16."""

OPTIMIZER = 50.0
"""Bytes a parameter of AdamW's step and the gradients' norm, passes of the foreach form among them."""


ROOF = 0.8
"""Share of its peak that a large product gets (79 % on an H100)."""


def roof(arch: str | None, dtype: str) -> float | None:
    """Operations a second that no product of 16 bit goes beyond; None where the peak is not known."""
    peak = PEAKS.get(arch or "")
    return None if peak is None or dtype == "fp32" else ROOF * peak.operations


def assumed(card: str, arch: str | None, accelerator: str, dtype: str) -> Rates | None:
    """Rates of a card of a known peak; None of one that is not known, and in fp32."""
    peak = PEAKS.get(arch or "")
    if peak is None or dtype == "fp32":
        return None
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
        source=f"assumed shares of the {peak.operations / 1e12:g} TFLOP/s that {arch} has at its peak",
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
