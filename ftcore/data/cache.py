"""Content-addressed folders: whole and right, or not there.

An entry is built in a temporary folder beside its place and renamed into it; its manifest, written last,
lists every other file with its size. What does not match its manifest is not an entry.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftcore.runs.files import sync_path

MANIFEST = "manifest.json"
STALE_SECONDS = 24 * 3600
"""A build that has not moved for this long belongs to a process that was killed."""

Manifest = dict[str, Any]


def canonical_key(deciding: dict[str, Any]) -> str:
    """sha256, in hex, over canonical JSON of everything that decides the entry's content."""
    text = json.dumps(deciding, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_manifest(entry: Path) -> Manifest | None:
    """The entry's manifest; None where it is missing or torn: a file absent or of another size."""
    try:
        manifest = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
        whole = all(os.stat(entry / name).st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole else None


def build_entry(entry: Path, write: Callable[[Path], Manifest]) -> Manifest:
    """Makes the entry by `write(folder)`, which returns the manifest without "files", and returns it whole.

    Several processes may build one entry at once: each succeeds, the first one's result stays. A torn
    entry in its place is replaced.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(entry)
    building = entry.with_name(f".{entry.name}.{uuid.uuid4().hex[:12]}")
    building.mkdir()
    try:
        manifest = write(building)
        files = (path for path in building.rglob("*") if path.is_file())
        names = sorted(path.relative_to(building).as_posix() for path in files)
        manifest = {**manifest, "files": {name: os.stat(building / name).st_size for name in names}}
        for name in names:
            sync_path(building / name)
        (building / MANIFEST).write_text(
            json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        sync_path(building / MANIFEST)
        sync_path(building)
        return _publish(building, entry, manifest)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _publish(building: Path, entry: Path, manifest: Manifest) -> Manifest:
    while True:
        try:
            os.rename(building, entry)
        except OSError:
            # A folder with something in it cannot be renamed onto: somebody was first, or left a torn entry.
            if (theirs := read_manifest(entry)) is not None:
                return theirs
            if not entry.exists():
                raise
            _discard(entry)
        else:
            sync_path(entry.parent)
            return manifest


def _discard(entry: Path) -> None:
    torn = entry.with_name(f".{entry.name}.{uuid.uuid4().hex[:12]}")
    try:
        os.rename(entry, torn)
    except FileNotFoundError:
        return
    shutil.rmtree(torn, ignore_errors=True)


def _remove_stale(entry: Path) -> None:
    for folder in entry.parent.glob(f".{entry.name}.*"):
        try:
            newest = max(os.stat(path).st_mtime for path in (folder, *folder.rglob("*")))
        except FileNotFoundError:
            continue
        if time.time() - newest > STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
