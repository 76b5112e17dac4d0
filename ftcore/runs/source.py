"""The program that a run is made with, in one archive: enough to run it again anywhere, checkout or none.

An archive of the same files is made once: it lies in the cache, and runs hold links to it.
"""

import hashlib
import importlib.util
import io
import os
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path

from ftcore.config.groups import conf_dir
from ftcore.runs.files import link_or_copy, read_json, write_json

SOURCE_ROOT = Path(__file__).parents[2]
PACKAGES = ("ftcore", "launchers")
BESIDE = ("pyproject.toml", "requirements.lock", "requirements-base.lock")
"""Of a checkout: what the environment was made from."""

ARCHIVE = "source.tar.gz"
FAST = 1
"""Compression level: 14 ms instead of 41 for a fifth more bytes."""


def save(folder: Path, cache_dir: Path) -> str:
    """Put the program's archive into `folder`; returns its `identity`."""
    files = program()
    stamp = _stamp(files)
    kept = cache_dir / "sources" / f"{stamp}.tar.gz"
    known = read_json(kept.with_suffix(".json"))
    if known is not None:
        with suppress(FileNotFoundError):  # gone, or taken away this moment
            link_or_copy(kept, folder / ARCHIVE)
            return known["identity"]
    known = {"identity": identity(files)}
    (folder / ARCHIVE).write_bytes(_archive(files))
    kept.parent.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_name(f".{stamp}.{os.getpid()}.tmp")
    link_or_copy(folder / ARCHIVE, temporary)
    temporary.replace(kept)
    write_json(kept.with_suffix(".json"), known, durable=False)
    return known["identity"]


def copy(folder: Path) -> None:
    """The program's files under `folder`."""
    for name, path in program().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)


def unpack(archive: Path, folder: Path) -> None:
    """The archive's files under `folder`."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def texts(archive: Path) -> dict[str, str]:
    """Name -> text of the files in an archive."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                found[member.name] = file.read().decode("utf-8", errors="replace")
    return found


def program() -> dict[str, Path]:
    """Name in the archive -> file, sorted; compiled files are left out."""
    roots = {name: _package(name) for name in PACKAGES} | {"conf": conf_dir()}
    files = {name: path for name in BESIDE if (path := SOURCE_ROOT / name).is_file()}
    for name, root in roots.items():
        for path in root.rglob("*"):
            inside = path.relative_to(root)
            # An installed wheel has conf/ inside the package too.
            if "__pycache__" in inside.parts or (name == "ftcore" and inside.parts[0] == "conf"):
                continue
            if path.is_file() and path.suffix != ".pyc":
                files[f"{name}/{inside.as_posix()}"] = path
    return dict(sorted(files.items()))


def identity(files: dict[str, Path]) -> str:
    """sha256 over names and contents of what runs: equal for a checkout and a wheel of the same code."""
    digest = hashlib.sha256()
    for name, path in files.items():
        if name not in BESIDE:
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _archive(files: dict[str, Path]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=FAST) as tar:
        for name, path in files.items():
            tar.add(path, name, recursive=False)
    return made.getvalue()


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def _stamp(files: dict[str, Path]) -> str:
    """Changes whenever a file may have."""
    digest = hashlib.sha256()
    for name, path in files.items():
        stat = path.stat()
        digest.update(f"{name} {path} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}\n".encode())
    return digest.hexdigest()[:32]
