"""`ftcore logs RUN`: what its ranks wrote; `-f` goes on as they write."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ftcore.cli.target import one_run, one_sweep
from ftcore.config.errors import Problem, RequestError
from ftcore.runs import record, state
from ftcore.runs.directory import RunDirectory

POLL_SECONDS = 0.5
ALIVE_SECONDS = 3.0
"""Between two questions whether the job still runs, which a cluster's controller has to answer."""

LINES = 100
"""Shown of each file without `--all`."""


def main(flags: argparse.Namespace) -> int:
    if sweep := one_sweep(flags):
        from ftcore.cli.of_sweep import logs

        return logs.main(flags, sweep)
    run = one_run(flags, or_sweep=True)
    attempts = [attempt["number"] for attempt in record.read(run)["attempts"]]
    number = flags.attempt or (attempts[-1] if attempts else 0)
    if number not in attempts:
        raise RequestError(
            [Problem("--attempt", f"no attempt {number}", ", ".join(map(str, attempts)) or "none")]
        )
    files = _files(run, number, flags.rank)
    if flags.rank is not None and not files and (ranks := _ranks(run, number)):
        shown = ", ".join(map(str, ranks))
        raise RequestError([Problem("--rank", f"no rank {flags.rank} in attempt {number}", shown)])
    for path, text in read(files, None if flags.all else LINES):
        write(path, text, len(files) > 1)
    if flags.follow:
        _follow(run, number, flags.rank)
    return 0


def _files(run: RunDirectory, number: int, rank: int | None) -> list[Path]:
    folder = run.attempt(number)
    names = [f"rank{rank}.out", f"rank{rank}.err"] if rank is not None else ["rank0.out", "rank0.err"]
    found = [folder / name for name in names if (folder / name).exists()]
    batch = sorted(folder.parent.glob("slurm-*.log")) if rank is None else []
    return [*batch, *found]


def _ranks(run: RunDirectory, number: int) -> list[int]:
    names = (path.stem.removeprefix("rank") for path in run.attempt(number).glob("rank*.out"))
    return sorted(int(name) for name in names if name.isdecimal())


def read(files: list[Path], lines: int | None) -> Iterator[tuple[Path, str]]:
    """Each file with its last `lines` lines; None is all of them."""
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        if lines is not None:
            text = "".join(text.splitlines(keepends=True)[-lines:])
        if text:
            yield path, text


def _follow(run: RunDirectory, number: int, rank: int | None) -> None:
    places = {path: path.stat().st_size for path in _files(run, number, rank)}
    going, looked = True, -ALIVE_SECONDS
    while going:
        entry = record.read(run)
        if time.monotonic() - looked >= ALIVE_SECONDS:
            going, looked = state.alive(run, entry), time.monotonic()
        newest = entry["attempts"][-1]["number"]
        for path in _files(run, newest, rank):
            with path.open("rb") as file:
                file.seek(places.get(path, 0))
                if text := file.read():
                    write(path, text.decode("utf-8", errors="replace"), named=False)
                places[path] = file.tell()
        if going:
            time.sleep(POLL_SECONDS)


def write(path: Path, text: str, named: bool) -> None:
    """Print a part of a file, below its name where there are others."""
    if named:
        print(f"==> {path} <==")
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()
