"""What an architecture can compute in, as facts rather than as what the driver claims.

On HIP `torch.cuda.is_bf16_supported()` is true for every card, also where bf16 is emulated, so the
architecture decides. DCU rows: Hygon's public card data; CUDA: compute capability 8.0 brought bf16, 8.9
products of fp8.
"""

DCU_CARDS = {"gfx906": "Z100", "gfx926": "K100", "gfx928": "K100_AI", "gfx936": "BW1000"}
DCU_BF16 = frozenset({"gfx928", "gfx936"})


def has_bf16(accelerator: str, arch: str | None) -> bool | None:
    """Whether bf16 runs in hardware; None where the architecture is unknown or unverified (gfx926)."""
    if accelerator == "cpu":
        return True
    if arch is None or arch == "gfx926":
        return None
    if accelerator == "dcu":
        return arch in DCU_BF16
    return _at_least(80, arch)


def has_fp8(accelerator: str, arch: str | None) -> bool | None:
    """Whether float8_e4m3 matrices are multiplied in hardware; None where a CUDA architecture is unknown.
    No DCU is known to (gfx936 has none)."""
    if accelerator != "cuda":
        return False
    return None if arch is None else _at_least(89, arch)


def _at_least(capability: int, arch: str) -> bool | None:
    """Whether a CUDA architecture (`sm_90`) has a compute capability (tenfold); None where it is none."""
    digits = arch.removeprefix("sm_")
    return int(digits) >= capability if digits.isdigit() else None


def default_dtype(accelerator: str, arch: str | None) -> str:
    """`fp32` on a CPU, `bf16` where it is known to be real, `fp16` on every other accelerator."""
    if accelerator == "cpu":
        return "fp32"
    return "bf16" if has_bf16(accelerator, arch) else "fp16"
