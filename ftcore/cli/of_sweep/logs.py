"""`ftcore logs SWEEP`: what worked through the sweep wrote; each trial has logs of its own."""

import argparse
import time
from pathlib import Path

from ftcore.cli import logs
from ftcore.cli.of_sweep import words
from ftcore.config.errors import Problem, RequestError
from ftcore.sweeps import standing
from ftcore.sweeps.directory import SweepDirectory

FILES = 10
"""Shown without `--all`; an array has a file a task."""

GOING_SECONDS = 5.0
"""Between two questions whether anything of the sweep goes on."""


def main(flags: argparse.Namespace, sweep: SweepDirectory) -> int:
    """The exit code."""
    if wrong := [name for name in ("rank", "attempt") if getattr(flags, name) is not None]:
        allowed = f"the logs of a trial's run: python -m ftcore logs {sweep.id}-00000"
        raise RequestError([Problem(f"--{name}", "is of a run, not of a sweep", allowed) for name in wrong])
    files = _files(sweep)
    shown = files if flags.all else files[-FILES:]
    for path, text in logs.read(shown, None if flags.all else logs.LINES):
        logs.write(path, text, len(shown) > 1)
    if len(shown) < len(files):
        print(f"{len(files) - len(shown)} older files: {words.command('logs', sweep, '--all')}")
    if not files:
        print(f"nothing was written yet under {sweep.logs}")
    if flags.follow:
        _follow(sweep, {path: path.stat().st_size for path in files})
    return 0


def _files(sweep: SweepDirectory) -> list[Path]:
    """Oldest first."""
    return sorted(sweep.logs.glob("*.log"), key=lambda path: (path.stat().st_mtime, path.name))


def _follow(sweep: SweepDirectory, places: dict[Path, int]) -> None:
    going, looked = True, -GOING_SECONDS
    while going:
        if time.monotonic() - looked >= GOING_SECONDS:
            going, looked = standing.going_on(sweep, standing.standings(sweep)), time.monotonic()
        for path in _files(sweep):
            with path.open("rb") as file:
                file.seek(places.get(path, 0))
                if text := file.read():
                    logs.write(path, text.decode("utf-8", errors="replace"), named=False)
                places[path] = file.tell()
        if going:
            time.sleep(logs.POLL_SECONDS)
