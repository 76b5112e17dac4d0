"""Writing that a crash cannot tear."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace `path` by `text` in one step: a reader sees the old file or the new one, never a part.

    `durable=False` leaves out the fsync, for files whose last second may be lost (progress).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a write that fails does not know what it was for
        raise
    if durable:
        sync_path(path.parent)


def write_json(path: Path, value: Any, *, durable: bool = True, known: dict[str, str] | None = None) -> None:
    """`write_text` of indented JSON, Chinese left readable; `known` as in `indented`."""
    text = json.dumps(value, indent=2, ensure_ascii=False) if known is None else indented(value, known)
    write_text(path, text + "\n", durable=durable)


def indented(value: Any, known: dict[str, str], levels: int = 2) -> str:
    """As `json.dumps(value, indent=2, ensure_ascii=False)`, which Python indents at a tenth of the speed.

    `known` keeps what stands `levels` deep for the next call, where many values have most of it in common.
    """
    if levels and value and isinstance(value, dict):
        # A line end in a text is written as \\n, so that those in JSON are all between its parts.
        parts = (
            f"{json.dumps(name, ensure_ascii=False)}: {indented(one, known, levels - 1)}"
            for name, one in value.items()
        )
        return "{\n  " + ",\n".join(parts).replace("\n", "\n  ") + "\n}"
    key = json.dumps(value, ensure_ascii=False)
    if key not in known:
        known[key] = json.dumps(value, indent=2, ensure_ascii=False)
    return known[key]


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """A hard link, or a copy where the file system has none. Raises FileNotFoundError without a source."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def read_json(path: Path) -> Any:
    """The JSON value in `path`, or None where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def sync_path(path: Path) -> None:
    """Make the contents of a file, or the names in a folder, survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """`sync_path` of everything under `folder`, and of itself."""
    for path in (*folder.rglob("*"), folder):
        sync_path(path)


@contextmanager
def folder_in_one_step(target: Path, *, alone: bool = False) -> Iterator[Path]:
    """A temporary folder beside `target` to fill; renamed to it on success, removed on failure.

    `target` therefore exists whole or not at all. Where it exists already, what was filled is dropped.
    `alone`: no other process fills it now, so what one that was killed left of it is removed.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    for left in target.parent.glob(f".{target.name}.*.tmp") if alone else ():
        shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        sync_tree(temporary)
        if not target.exists():
            temporary.rename(target)
            sync_path(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` (made if need be): one writer at a time, across processes."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
