"""How a page tells its runs apart: a colour and a dash each, so that neither alone has to be seen.

The colours are variables (`palette.css`), one set for each scheme. Within a set any two stay apart for normal
sight, deuteranopia and protanopia, and each stands at 3 to 1 or more against the card.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ftcore.report import svg

MOST = len(svg.RUNS)
DASHES = (
    (),
    (5, 2),
    (1.8, 1.8),
    (7, 1.8, 1.4, 1.8),
    (9, 3),
    (3, 1.5),
    (6, 1.6, 1.2, 1.6, 1.2, 1.6),
    (2.4, 3),
)
"""Lengths of stroke and gap in turn, in the chart's units; nothing is a whole line."""


@dataclass(frozen=True)
class Mark:
    """What a run's lines and bars look like; `place` is None for one of those drawn thin and grey."""

    number: int
    """The run's place in the command line, from 1."""

    place: int | None

    @property
    def sentinel(self) -> str:
        return svg.REST if self.place is None else svg.RUNS[self.place]

    @property
    def color(self) -> str:
        """As CSS."""
        return "var(--run-rest)" if self.place is None else f"var(--run-{self.place})"

    @property
    def dash(self) -> tuple[float, ...]:
        return () if self.place is None else DASHES[self.place]

    @property
    def classes(self) -> str:
        return f"r{self.number}" + (" rest" if self.place is None else "")


def marks(order: Sequence[int]) -> tuple[Mark, ...]:
    """A mark for each run, in their own order; `order` holds their indices, best first.

    Of more than MOST runs the best get a colour. The colours follow the command line, not the rank, so that
    a page written again after a step more looks the same.
    """
    chosen = sorted(order[:MOST])
    places = {index: place for place, index in enumerate(chosen)}
    return tuple(Mark(index + 1, places.get(index)) for index in range(len(order)))
