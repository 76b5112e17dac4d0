"""Which architectures compute in bf16, whatever the driver claims."""

import pytest

from ftcore.hardware.capabilities import DCU_BF16, DCU_CARDS, default_dtype, has_bf16, has_fp8

TABLE = [
    ("cpu", None, True, "fp32"),
    ("cuda", "sm_70", False, "fp16"),
    ("cuda", "sm_75", False, "fp16"),
    ("cuda", "sm_80", True, "bf16"),
    ("cuda", "sm_90", True, "bf16"),
    ("cuda", "sm_120", True, "bf16"),
    ("cuda", None, None, "fp16"),
    ("cuda", "unheard-of", None, "fp16"),
    ("dcu", "gfx906", False, "fp16"),
    ("dcu", "gfx926", None, "fp16"),
    ("dcu", "gfx928", True, "bf16"),
    ("dcu", "gfx936", True, "bf16"),
    ("dcu", None, None, "fp16"),
]


@pytest.mark.parametrize(("accelerator", "arch", "bf16", "dtype"), TABLE)
def test_table(accelerator, arch, bf16, dtype):
    """bf16 where it is real; fp16 on every other accelerator; fp32 on a CPU."""
    assert has_bf16(accelerator, arch) is bf16
    assert default_dtype(accelerator, arch) == dtype


def test_bf16_cards_are_known_cards():
    """No architecture is said to have bf16 that has no card."""
    assert set(DCU_CARDS) >= DCU_BF16


@pytest.mark.parametrize(
    ("accelerator", "arch", "fp8"),
    [
        ("cpu", None, False), ("dcu", "gfx936", False), ("dcu", None, False), ("cuda", "sm_80", False),
        ("cuda", "sm_86", False), ("cuda", "sm_89", True), ("cuda", "sm_90", True), ("cuda", "sm_120", True),
        ("cuda", None, None), ("cuda", "unheard-of", None),
    ],
)  # fmt: skip
def test_fp8(accelerator, arch, fp8):
    """fp8 on CUDA cards from sm_89 on; a CUDA architecture that is not known may have it."""
    assert has_fp8(accelerator, arch) is fp8
