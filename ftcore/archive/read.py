"""An archive -> runs under a runs_dir: every name and every hash checked before anything appears."""

import gzip
import hashlib
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ftcore.archive.layout import (
    FILES_ALLOWED,
    FORMAT,
    HEADER,
    JSON_BYTES,
    MANIFEST,
    VERSION,
    RunName,
    Unsafe,
    place,
    runs_of,
)
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.runs.files import folder_in_one_step, read_json

CHUNK = 1024 * 1024
GZIP = b"\x1f\x8b"
DERIVED = ("report.html",)
"""Made anew by `report` from the rest: no difference between two copies of a run."""

DAMAGED = (tarfile.TarError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError, OSError,
           OverflowError, RecursionError)  # fmt: skip
"""What reading raises on bytes that are not what an export wrote."""

IN_A_RECORD = {"id": str, "name": str, "created": str, "state": str, "launch": dict, "attempts": list,
               "stages": list, "results": dict, "artifacts": list}  # fmt: skip

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """A run of the archive, and whether it was there already, identical."""

    name: RunName
    path: Path
    was_there: bool


def read(file: Path, runs_dir: Path, advance: Advance) -> list[Imported]:
    """Put the archive's runs under `runs_dir`, each in one step, once all of it has been verified.

    `advance` is called with the bytes of `file` read. RequestError where `file` is no archive of runs, has a
    newer format, or holds a run that is there already and differs; WorkError where it is damaged, unsafe, or
    the disk is full. Nothing is left behind by either.
    """
    with _damage_told(file), _members(file, advance) as members:
        runs, files, size = _header(file, members)
        there = [run for run in runs if run.under(runs_dir).path.exists()]
        new = [run for run in runs if run not in there]
        with ExitStack() as stack:
            stack.enter_context(_no_empty_folder([runs_dir / run.name for run in new]))
            staged = {run: _staged(stack, run.under(runs_dir).path, size) for run in new}
            found = _contents(members, runs, staged, (files, size))
            for run, folder in staged.items():
                _check_record(run, folder)
            _refuse_different(found, there, runs_dir)
            # Leaving the stack renames each to its place.
    return [Imported(run, run.under(runs_dir).path, run in there) for run in runs]


class Member:
    """One regular file of the archive."""

    def __init__(self, info: tarfile.TarInfo, file: BinaryIO) -> None:
        self.name, self.size, self.info, self.file = info.name, info.size, info, file

    def json(self) -> Any:
        if self.size > JSON_BYTES:
            raise ValueError(f"{self.name} is too long")
        return json.loads(self.file.read())


@contextmanager
def _members(file: Path, advance: Advance) -> Iterator[Iterator[Member]]:
    with file.open("rb") as raw:
        packed = raw.read(len(GZIP)) == GZIP
        raw.seek(0)
        counted = _Counted(raw, advance)
        stream: Any = gzip.GzipFile(fileobj=counted, mode="rb") if packed else counted
        yield _each(stream)


def _each(stream: Any) -> Iterator[Member]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:
        for info in tar:
            if not info.isreg() or info.issparse():
                raise Unsafe(f"{info.name[:200]!r} is no regular file")
            reader = tar.extractfile(info)
            assert reader is not None
            yield Member(info, reader)  # type: ignore[arg-type]
            tar.members.clear()  # a stream is never gone back in, and a million members are a gigabyte
    # To the very end: gzip's own check sum stands there.
    while stream.read(CHUNK):
        pass


class _Counted:
    """A file that tells how much of it was read."""

    def __init__(self, raw: BinaryIO, advance: Advance) -> None:
        self.raw, self.advance = raw, advance

    def read(self, size: int = -1) -> bytes:
        block = self.raw.read(size)
        self.advance(len(block))
        return block


def _header(file: Path, members: Iterator[Member]) -> tuple[list[RunName], int, int]:
    try:
        first = next(members, None)
        header = first.json() if first and first.name == HEADER else None
    except (*DAMAGED, Unsafe):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise RequestError([Problem("FILE", f"{file} is no archive of runs", "what export wrote")])
    if not isinstance(version := header.get("version"), int) or version > VERSION:
        message = f"{file} has format {version}, and this ftcore reads up to {VERSION}"
        raise RequestError([Problem("FILE", message, "a newer ftcore")])
    if header["files"] > FILES_ALLOWED:
        raise Unsafe(f"it says that it has {header['files']} files")
    return runs_of(header), int(header["files"]), int(header["bytes"])


def _staged(stack: ExitStack, target: Path, size: int) -> Path:
    folder = stack.enter_context(folder_in_one_step(target))
    if (free := shutil.disk_usage(folder).free) < size:
        gib = 1024**3
        raise WorkError(f"{size / gib:.1f} GiB are needed in {target.parent}, {free / gib:.1f} are free")
    return folder


Found = dict[RunName, dict[str, str]]
"""Run -> path inside it -> sha256."""


def _contents(
    members: Iterator[Member], runs: list[RunName], staged: dict[RunName, Path], announced: tuple[int, int]
) -> Found:
    """Write the files of `staged` runs, hash those of the others; all as the manifest at the end says."""
    found: Found = {run: {} for run in runs}
    hashes: dict[str, dict[str, Any]] = {}
    manifest = None
    total, (files_said, bytes_said) = 0, announced
    for member in members:
        if manifest is not None:
            raise Unsafe("something stands after the manifest")
        if member.name == MANIFEST:
            manifest = member.json()["files"]
            continue
        total += member.size
        if len(hashes) >= files_said or total > bytes_said or member.name in hashes:
            raise ValueError("it holds more than it says")
        run, inside = place(member.name, runs)
        digest = _take(member, staged[run] / inside if run in staged else None, staged.get(run))
        found[run][str(inside)] = digest
        hashes[member.name] = {"sha256": digest, "bytes": member.size}
    if manifest is None:
        raise EOFError("it ends before its manifest")
    if manifest != hashes:
        wrong = sorted(name for name in {*manifest, *hashes} if manifest.get(name) != hashes.get(name))
        raise ValueError(f"{wrong[0]} is not what the manifest says, or not there")
    return found


def _check_record(run: RunName, folder: Path) -> None:
    """Whatever lists runs reads every record: one that is none would be in the way of all others."""
    entry = read_json(folder / "record.json")
    if not isinstance(entry, dict):
        raise ValueError(f"{run} has no record")
    if missing := [key for key, kind in IN_A_RECORD.items() if not isinstance(entry.get(key), kind)]:
        raise ValueError(f"{run}'s record has no {', '.join(missing)}")


def _take(member: Member, target: Path | None, root: Path | None) -> str:
    """The member's sha256; its bytes go to `target` below `root`, where one is given."""
    digest = hashlib.sha256()
    if target is None or root is None:
        for block in iter(lambda: member.file.read(CHUNK), b""):
            digest.update(block)
        return digest.hexdigest()
    tarfile.data_filter(member.info, str(root))  # the standard library's own opinion, besides `place`
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    # "x": never through anything that is there.
    with target.open("xb") as file:
        for block in iter(lambda: member.file.read(CHUNK), b""):
            digest.update(block)
            written += file.write(block)
    if written != member.size:
        raise EOFError("it ends early")
    target.chmod(0o755 if member.info.mode & 0o100 else 0o644)
    os.utime(target, (member.info.mtime, member.info.mtime))
    return digest.hexdigest()


def _refuse_different(found: Found, there: list[RunName], runs_dir: Path) -> None:
    problems = []
    for run in there:
        folder = run.under(runs_dir).path
        differ = [name for name, digest in found[run].items() if not _same(folder / name, digest)]
        if differ:
            more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
            message = f"is in {runs_dir} already and differs: {', '.join(differ[:3])}{more}"
            problems.append(Problem(str(run), message, "another --runs-dir"))
    if problems:
        raise RequestError(problems)


def _same(path: Path, sha256: str) -> bool:
    if path.name in DERIVED:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


@contextmanager
def _no_empty_folder(folders: list[Path]) -> Iterator[None]:
    """Folders made on the way to nothing are not left behind."""
    made = [parent for folder in folders for parent in (folder, folder.parent) if not parent.exists()]
    try:
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _damage_told(file: Path) -> Iterator[None]:
    """What goes wrong on the way, as one message."""
    again = f"a good copy: python -m ftcore import {file}"
    try:
        yield
    except Unsafe as error:
        raise WorkError(f"{file} is refused, and nothing of it was kept: {error}") from None
    except OSError as error:
        if error.errno is None:  # gzip's own complaints
            raise WorkError(f"{file} is damaged: {error}; nothing of it was kept", "", again) from None
        raise WorkError(f"{error.filename or file}: {error.strerror}; nothing was kept", "") from None
    except DAMAGED as error:
        reason = str(error) or type(error).__name__
        raise WorkError(f"{file} is damaged: {reason}; nothing of it was kept", "", again) from None
