"""The files that a follower reads, and `tracker.json`: where in the tracker the run is, how much of it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, write_json

UPLOADS = (
    "report.html",
    "record.json",
    "config.yaml",
    "xtuner_config.py",
    "evaluation.json",
    "metrics.jsonl",
)
BYTES_PER_MB = 10**6


@dataclass(frozen=True, slots=True)
class Sent:
    """What the tracker has of the run."""

    kind: str | None = None

    id: str | None = None
    """The tracker's own id of the run; None before the first attempt."""

    step: int = 0
    """Steps up to here were handed to it."""


def read_sent(run: RunDirectory) -> Sent:
    """What `tracker.json` says; nothing sent where there is none."""
    return Sent(**(read_json(run.path / "tracker.json") or {}))


def write_sent(run: RunDirectory, sent: Sent) -> None:
    """Replace `tracker.json`."""
    write_json(run.path / "tracker.json", asdict(sent), durable=False)


class NewLines:
    """The lines of a JSONL file that were completed since the last look, whatever its size."""

    def __init__(self, path: Path) -> None:
        self.path, self.offset = path, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.offset)
            text = file.read()
        whole = text.rpartition(b"\n")[0]
        self.offset += len(whole) + 1 if whole else 0
        yield from map(json.loads, whole.splitlines())


def uploads(run: RunDirectory, limit_mb: float) -> list[Path]:
    """Report, record and adapter, as far as they fit into `limit_mb` together, in that order."""
    left = limit_mb * BYTES_PER_MB
    chosen = []
    for path in [*(run.path / name for name in UPLOADS), *sorted(run.adapter.rglob("*"))]:
        if path.is_file() and (size := path.stat().st_size) <= left:
            chosen.append(path)
            left -= size
    return chosen
