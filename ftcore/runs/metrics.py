"""`metrics.jsonl`: one line an optimiser step."""

import json
from pathlib import Path
from typing import Any

from ftcore.runs.files import write_text


def read(path: Path, after: int = 0) -> list[dict[str, Any]]:
    """The lines of `path` whose step is over `after`; a torn last line is left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    lines = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if entry["step"] > after:
            lines.append(entry)
    return lines


def truncate(path: Path, step: int) -> None:
    """Drop what was recorded after `step`: training resumes there and will write those steps again."""
    kept = [json.dumps(entry) for entry in read(path) if entry["step"] <= step]
    write_text(path, "".join(f"{line}\n" for line in kept))


def append(path: Path, entry: dict[str, Any]) -> None:
    """Add one line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
