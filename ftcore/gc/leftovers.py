"""Temporary files and folders of processes that are gone.

Their names are hidden and say who made them: `.NAME.<pid>.tmp` (ftcore.runs.files), `.step_<N>-<hex>.tmp`
(checkpoints), `.<key>.<12 hex>` (cache entries being built), `.fingerprints.json.<32 hex>`,
`.NAME.<nanoseconds>` (links), and gc's own `.gone.NAME.<host>.<pid>.tmp`.
"""

import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from ftcore.data.cache import STALE_SECONDS as BUILD_SECONDS

GONE = ".gone."
"""What gc is about to delete begins so: nobody looks there any more."""

HERE = os.uname().nodename.replace(".", "-")

QUIET_SECONDS = 3600
"""The process may run on another host of the same file system: what moved within the hour is left alone."""

OF_A_PROCESS = re.compile(r"^\..+\.(\d+)\.tmp$")
CHECKPOINT = re.compile(r"^\.step_\d{8}(-[0-9a-f]+)?\.tmp$")
BUILD = re.compile(r"^\..+\.(?:[0-9a-f]{12}|[0-9a-f]{32})$")
LINK = re.compile(r"^\..+\.\d{15,}$")

CACHE_FOLDERS = ("data", "messages", "models", "sources")
WHOLE = ("adapter", "merged", "src", "__pycache__")
"""Folders of a run that appear in one step and hold no temporary files."""


def gone_name(path: Path) -> Path:
    """The hidden name beside `path` under which it is deleted."""
    return path.with_name(f"{GONE}{path.name}.{HERE}.{os.getpid()}.tmp")


def original_name(path: Path) -> str | None:
    """What was called so before gc took it, or None where `path` is no name of gc's."""
    if not path.name.startswith(GONE):
        return None
    return path.name.removeprefix(GONE).rsplit(".", 3)[0]


def in_run(folder: Path) -> Iterator[Path]:
    """Temporary files and folders in a run's directory."""
    for parent, folders, files in os.walk(folder):
        temporary = [name for name in (*folders, *files) if _is_temporary(name)]
        yield from (Path(parent, name) for name in temporary)
        folders[:] = [
            name for name in folders
            if name not in temporary and name not in WHOLE and not name.startswith("step_")
        ]  # fmt: skip


def in_cache(cache: Path) -> Iterator[Path]:
    """Temporary files and folders in a cache."""
    for folder in (cache, *(cache / name for name in CACHE_FOLDERS)):
        with suppress(OSError):
            names = os.listdir(folder)
            yield from (
                folder / name for name in names
                if _is_temporary(name) or BUILD.match(name) or LINK.match(name)
            )  # fmt: skip


def _is_temporary(name: str) -> bool:
    return bool(OF_A_PROCESS.match(name) or CHECKPOINT.match(name))


def is_stale(path: Path) -> bool:
    """Whether whoever made `path` is gone, as far as can be told from this host."""
    changed = last_change(path)
    if changed is None:
        return False
    writer = OF_A_PROCESS.match(path.name)
    if path.name.startswith(GONE) and path.name.rsplit(".", 3)[1] == HERE:
        # Of a gc on this host that was killed. One that runs may yet put it back (ftcore.gc.remove).
        return not (writer and psutil.pid_exists(int(writer[1])))
    patience = BUILD_SECONDS if BUILD.match(path.name) else QUIET_SECONDS
    if time.time() - changed < patience:
        return False
    return not (writer and _may_write(int(writer[1]), changed))


def _may_write(pid: int, changed: float) -> bool:
    """Whether that process lives here, and did when the file was last changed (ids are given out again)."""
    try:
        return psutil.Process(pid).create_time() <= changed
    except (psutil.Error, OverflowError):
        return False


def last_change(path: Path) -> float | None:
    """When anything in `path` was last changed, in seconds since the epoch; None where it is gone."""
    newest = None
    with suppress(OSError):
        newest = os.lstat(path).st_mtime
    if newest is not None and path.is_dir() and not path.is_symlink():
        for inside in path.rglob("*"):
            with suppress(OSError):
                newest = max(newest, os.lstat(inside).st_mtime)
    return newest


def remove_stale(paths: Iterable[Path]) -> None:
    """Delete those of `paths` that are temporary and stale."""
    for path in paths:
        if _is_temporary(path.name) and is_stale(path):
            delete(path)


def delete(path: Path) -> None:
    """Delete a file, link or folder; another one who does the same is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
