"""What lies where in an archive of runs, and what is allowed to.

A tar, plain or gzip, of regular files only:

    ftcore-runs.json      first: format, version, the runs (name, id), how many files and bytes follow
    <name>/<id>/...       each run's directory, without what was left out
    manifest.json         last: sha256 and size of every file before it

The first says early what this is; the last can be written without reading anything twice, and an archive
that lacks it was cut off.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ftcore.runs.directory import RunDirectory

FORMAT = "ftcore-runs"
VERSION = 1
HEADER, MANIFEST = "ftcore-runs.json", "manifest.json"

COMPRESSED, PLAIN = ".tar.gz", ".tar"
"""Weights are noise to gzip: with them an archive is plain."""

WEIGHTS = ("adapter", "merged")
CHECKPOINTS = "checkpoints"
FOLDER_NAME = re.compile(r"^\w[\w.\-]{0,99}$")

FILES_ALLOWED = 1_000_000
JSON_BYTES = 512 * 1024**2
"""The longest header or manifest that is read into memory."""


class Unsafe(Exception):
    """A member that no export writes, and no import may follow."""


@dataclass(frozen=True, slots=True)
class RunName:
    """A run's place under any runs_dir."""

    name: str
    id: str

    def __str__(self) -> str:
        return f"{self.name}/{self.id}"

    def under(self, runs_dir: Path) -> RunDirectory:
        return RunDirectory(runs_dir / self.name / self.id)


def wanted_files(run: RunDirectory, weights: bool, checkpoints: bool) -> list[Path]:
    """The files of `run` that an archive takes, relative to it, sorted.

    Left out: weights and checkpoints unless asked for; what is hidden (locks, temporary files); symbolic
    links; compiled files; the launcher's pickles, which are of no use elsewhere and would be code to whoever
    loads them.
    """
    left_out = {*(() if weights else WEIGHTS), *(() if checkpoints else (CHECKPOINTS,))}
    return sorted(_files(run.path, Path(), left_out))


def _files(root: Path, inside: Path, left_out: set[str]) -> Iterator[Path]:
    with os.scandir(root / inside) as entries:
        found = list(entries)
    for entry in found:
        path = inside / entry.name
        if entry.name.startswith(".") or entry.is_symlink() or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            if not (inside == Path() and entry.name in left_out):
                yield from _files(root, path, left_out)
        elif entry.is_file() and not (inside.name == "submitit" and path.suffix == ".pkl"):
            yield path


def header(runs: list[RunName], files: int, size: int) -> dict[str, Any]:
    """The first member."""
    named = [{"name": run.name, "id": run.id} for run in runs]
    return {"format": FORMAT, "version": VERSION, "runs": named, "files": files, "bytes": size}


def runs_of(header: dict[str, Any]) -> list[RunName]:
    """The runs that a header announces. Unsafe where one's name could not be a folder under runs_dir."""
    runs = [RunName(str(one["name"]), str(one["id"])) for one in header["runs"]]
    for run in runs:
        if not FOLDER_NAME.match(run.name) or not FOLDER_NAME.match(run.id):
            raise Unsafe(f"{str(run)[:200]!r} is no name of a run")
    if not runs or len({*runs}) != len(runs):
        raise Unsafe("it names no run, or one twice")
    return runs


def place(member: str, runs: list[RunName]) -> tuple[RunName, PurePosixPath]:
    """Run and path inside it of the member of that name. Unsafe where it would lie anywhere else."""
    parts = member.split("/")
    # As written, not as normalised: no export writes `./x` or `a//b` either.
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in parts) or len(parts) < 3:
        raise Unsafe(f"{member[:200]!r} is no path of a run's file")
    run = RunName(parts[0], parts[1])
    if run not in runs:
        raise Unsafe(f"{member[:200]!r} belongs to no run that the archive names")
    return run, PurePosixPath(*parts[2:])
