"""One line of what doctor says, and how the nodes of a job are compared by them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warning", "missing"]
ANSWER = "answer"
"""Name of the only line of a node that said nothing itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    name: str
    state: State
    """`missing` keeps the experiment from running; a `warning` does not."""

    found: str
    remedy: str = ""
    own: bool = False
    """A node's own matter (its free disk), that others need not share."""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """What the nodes of one job do not agree on."""

    topic: str
    name: str
    values: dict[str, str]
    """Node -> what it found; `not there` where it had no such line."""


def ok(findings: Sequence[Finding]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(one.state != "missing" for one in findings)


def differences(nodes: Mapping[str, Sequence[Finding]]) -> list[Difference]:
    """Lines that are not the same on all `nodes` that answered, but for those that are each node's own."""
    return list(_differences(nodes))


def _differences(nodes: Mapping[str, Sequence[Finding]]) -> Iterator[Difference]:
    told = {
        node: {(one.topic, one.name): one for one in lines}
        for node, lines in nodes.items()
        if all(one.name != ANSWER for one in lines)
    }
    for topic, name in dict.fromkeys(key for lines in told.values() for key in lines):
        there = {node: lines.get((topic, name)) for node, lines in told.items()}
        if any(one is not None and one.own for one in there.values()):
            continue
        values = {node: one.found if one else "not there" for node, one in there.items()}
        if len(set(values.values())) > 1:
            yield Difference(topic, name, values)
