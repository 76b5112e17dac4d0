"""What a calibration measures: stacks of a few decoder layers, and micro batches that they train on."""

from dataclasses import dataclass, replace

from ftcore.plan.architecture import Architecture

LABELLED = 0.4
"""Share of each row that has labels, as conversations have."""

RANK = 64
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Case:
    """One micro batch on one stack."""

    name: str
    stack: Architecture
    rows: tuple[int, ...]
    """Lengths."""

    again: bool = False
    """Every layer is computed again."""

    launch: bool = False
    """So small that the CPU alone sets the time."""

    @property
    def tokens(self) -> int:
        return sum(self.rows)


@dataclass(frozen=True, slots=True)
class Effort:
    """Seconds of an accelerator's time."""

    warm: float
    """Of training before anything is timed: a card that its power limits slows down meanwhile."""

    timed: float
    """A case, at least."""


def _llama(
    hidden: int, intermediate: int, heads: int, kv_heads: int, vocabulary: int, layers: int
) -> Architecture:
    return Architecture(
        "llama", hidden, intermediate, layers, heads, kv_heads, hidden // heads, vocabulary, tied=False
    )


WIDE = _llama(4096, 14336, 32, 8, 128_256, 6)
"""Llama-3-8B's."""

NARROW = _llama(2048, 8192, 32, 8, 128_256, 6)
"""Llama-3.2-1B's."""

SMALL = _llama(256, 512, 4, 2, 1024, 12)
"""Nothing to do for a card."""


def card_cases() -> list[Case]:
    """For an accelerator, those on one stack one after another; where there is time for no more, the first
    eight give all rates."""
    return [
        Case("wide, 6 layers", WIDE, (4096,)),
        Case("wide, 6 layers, computed again", WIDE, (4096,), again=True),
        Case("wide, 6 layers, packed rows", WIDE, (1000, 1500, 300, 1296)),
        Case("wide, 6 layers, long", WIDE, (8192,)),
        Case("wide, 6 layers, short", WIDE, (1024,)),
        Case("launches, 12 layers", SMALL, (64,), launch=True),
        Case("launches, 12 layers, computed again", SMALL, (64,), again=True, launch=True),
        Case("launches, 4 layers", replace(SMALL, layers=4), (64,), launch=True),
        Case("wide, 2 layers", replace(WIDE, layers=2), (4096,)),
        Case("narrow, 6 layers", NARROW, (4096,)),
        Case("narrow, 6 layers, packed rows", NARROW, (1000, 1500, 300, 1296)),
        Case("narrow, 2 layers", replace(NARROW, layers=2), (4096,)),
    ]


def cpu_cases() -> list[Case]:
    """For a machine without one: SmolLM2-135M's width with a third of its vocabulary, and half of it."""
    wide, narrow = _llama(576, 1536, 9, 3, 16_384, 4), _llama(288, 768, 4, 2, 16_384, 4)
    small = _llama(32, 64, 2, 1, 64, 8)
    return [
        Case("wide, 4 layers", wide, (256,)),
        Case("wide, 4 layers, computed again", wide, (256,), again=True),
        Case("wide, 4 layers, packed rows", wide, (60, 100, 20, 76)),
        Case("wide, 4 layers, long", wide, (640,)),
        Case("launches, 8 layers", small, (2,), launch=True),
        Case("launches, 8 layers, computed again", small, (2,), again=True, launch=True),
        Case("launches, 2 layers", replace(small, layers=2), (2,), launch=True),
        Case("wide, 1 layer", replace(wide, layers=1), (256,)),
        Case("narrow, 4 layers", narrow, (256,)),
        Case("narrow, 1 layer", replace(narrow, layers=1), (256,)),
    ]
