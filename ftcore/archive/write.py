"""Runs -> one archive, streaming: every file is read once, hashed as it goes."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ftcore.archive.layout import COMPRESSED, HEADER, MANIFEST, VERSION, RunName, header, wanted_files
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, sync_path

LEVEL = 6
CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Item:
    """A file that an archive takes; `size` is what it has now, and all that is read of it."""

    run: RunDirectory
    inside: Path
    size: int

    @property
    def path(self) -> Path:
        return self.run.path / self.inside

    @property
    def member(self) -> str:
        return f"{self.run.name}/{self.run.id}/{self.inside.as_posix()}"


def items(runs: list[RunDirectory], weights: bool, checkpoints: bool) -> list[Item]:
    """Everything that the archive of `runs` holds, in order."""
    return [
        Item(run, inside, (run.path / inside).stat().st_size)
        for run in runs
        for inside in wanted_files(run, weights, checkpoints)
    ]


def write(
    runs: list[RunDirectory], content: list[Item], target: Path, advance: Callable[[int], None]
) -> dict[str, Any]:
    """Make the archive `target`, which appears whole or not at all; returns its manifest.

    `advance` is called with the bytes read. RequestError where another export makes the same file,
    WorkError where a file changes under the hands or the disk is full.
    """
    before = {run.path: started(run) for run in runs}
    try:
        with _appearing(target) as raw:
            manifest = _write(runs, content, raw, target.name.endswith(COMPRESSED), advance)
            for run in runs:
                if started(run) != before[run.path]:
                    raise WorkError(f"run {run.id} was started again while it was exported", "the run")
    except OSError as error:
        raise WorkError(f"{error.filename or target}: {error.strerror}", "the runs, as they were") from None
    return manifest


def started(run: RunDirectory) -> Any:
    """Changes with every attempt of the run; a tag or a note does not change it."""
    entry = read_json(run.record)
    return entry and (entry["state"], len(entry["attempts"]))


def _write(
    runs: list[RunDirectory],
    content: list[Item],
    raw: BinaryIO,
    compressed: bool,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    names = [RunName(run.name, run.id) for run in runs]
    hashes: dict[str, dict[str, Any]] = {}
    # No time stamp: the same runs make the same archive.
    packed = gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) if compressed else None
    with tarfile.open(fileobj=packed or raw, mode="w|", format=tarfile.PAX_FORMAT, copybufsize=CHUNK) as tar:
        _add_json(tar, HEADER, header(names, len(content), sum(item.size for item in content)))
        for item in content:
            info = tarfile.TarInfo(item.member)
            with item.path.open("rb") as file:
                stat = os.fstat(file.fileno())
                if stat.st_size != item.size:
                    raise WorkError(f"{item.path} changed while the run was exported", "the run")
                info.size, info.mtime = item.size, int(stat.st_mtime)
                info.mode = 0o755 if stat.st_mode & 0o100 else 0o644
                reader = _Reader(file, item, advance)
                tar.addfile(info, reader)
            hashes[item.member] = {"sha256": reader.digest.hexdigest(), "bytes": item.size}
        manifest = {"version": VERSION, "files": hashes}
        _add_json(tar, MANIFEST, manifest)
    if packed:
        packed.close()
    return manifest


class _Reader:
    """A file as tarfile reads it, hashed on the way."""

    def __init__(self, file: BinaryIO, item: Item, advance: Callable[[int], None]) -> None:
        self.file, self.item, self.advance = file, item, advance
        self.digest, self.left = hashlib.sha256(), item.size

    def read(self, size: int = -1) -> bytes:
        block = self.file.read(min(self.left, size if size >= 0 else self.left))
        if not block and self.left:
            raise WorkError(f"{self.item.path} became shorter while it was read", "the run")
        self.left -= len(block)
        self.digest.update(block)
        self.advance(len(block))
        return block


def _add_json(tar: tarfile.TarFile, name: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1).encode()
    info = tarfile.TarInfo(name)
    info.size = len(text)
    tar.addfile(info, io.BytesIO(text))


@contextmanager
def _appearing(target: Path) -> Iterator[BinaryIO]:
    """A file to write, under a hidden name of its own until it is whole.

    The name is the same every time, and locked: what a killed export left is written over by the next one.
    """
    part = target.with_name(f".{target.name}.part")
    with part.open("a+b") as raw:
        try:
            fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _busy(target) from None
        # The other one may have finished between the two lines above: this would be its archive then.
        if not part.exists() or not os.path.samestat(part.stat(), os.fstat(raw.fileno())):
            raise _busy(target)
        try:
            raw.truncate(0)
            yield raw
            raw.flush()
            os.fsync(raw.fileno())
            part.rename(target)
            sync_path(target.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _busy(target: Path) -> RequestError:
    return RequestError([Problem("--to", f"another export is writing {target}")])


def check_target(target: Path, content: list[Item], force: bool) -> list[Problem]:
    """Why the archive cannot be made there."""
    if not target.parent.is_dir():
        return [Problem("--to", f"no such folder: {target.parent}")]
    if target.is_dir():
        return [Problem("--to", f"{target} is a folder", "the name of a file")]
    problems = []
    if target.exists() and not force:
        problems.append(Problem("--to", f"{target} is there already", "another name, or --force"))
    needed, free = sum(item.size for item in content), shutil.disk_usage(target.parent).free
    if not target.name.endswith(COMPRESSED) and needed > free:
        gib = 1024**3
        problems.append(Problem("--to", f"{needed / gib:.1f} GiB, and {free / gib:.1f} are free there"))
    return problems


def default_name(runs: list[RunDirectory], suffix: str) -> str:
    """`<name>-<id>.tar.gz`, or `runs-<time>.tar.gz` of several."""
    if len(runs) == 1:
        return f"{runs[0].name}-{runs[0].id}{suffix}"
    return f"runs-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"
