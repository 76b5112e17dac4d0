"""How experiments' values are written in an XTuner configuration."""

from typing import Any

Config = dict[str, Any]

TORCH_DTYPE = {
    "fp32": "torch.float32",
    "bf16": "torch.bfloat16",
    "fp16": "torch.float16",
    "uint8": "torch.uint8",
}
AMP_DTYPE = {"bf16": "bfloat16", "fp16": "float16"}


def template(name: str) -> str:
    """The dotted name of a prompt template."""
    return f"xtuner.utils.PROMPT_TEMPLATE.{name}"


def number(value: float) -> float | int:
    """Whole numbers as people write them: 16, not 16.0."""
    return int(value) if float(value).is_integer() else value
