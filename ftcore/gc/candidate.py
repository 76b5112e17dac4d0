"""One thing that can go."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.runs.directory import RunDirectory

KINDS = ("checkpoints", "temporary", "data", "models", "sources", "runs")
"""What `--keep` may name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What can go, and why."""

    kind: str
    path: Path

    bytes: int
    """What its removal frees: files that have another name elsewhere count nothing."""

    why: str

    since: float
    """When it was last of use or changed, in seconds since the epoch: what `--older-than` counts from."""

    run: RunDirectory | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "path": str(self.path), "bytes": self.bytes, "why": self.why,
            "run": self.run.id if self.run else None,
        }  # fmt: skip


def size(path: Path) -> int:
    """Bytes that deleting the file or folder frees."""
    total = 0
    for one in _tree(str(path)):
        try:
            stat = os.lstat(one)
        except OSError:
            continue
        total += stat.st_size if stat.st_nlink == 1 else 0
    return total


def _tree(path: str) -> Iterator[str]:
    if os.path.islink(path) or not os.path.isdir(path):
        yield path
        return
    for parent, _, files in os.walk(path):
        yield from (os.path.join(parent, name) for name in files)
