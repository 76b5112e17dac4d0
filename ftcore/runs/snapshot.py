"""The code and environment that a run is made with, kept in its directory."""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

SOURCE_ROOT = Path(__file__).parents[2]
PREFIXES = ("--src-prefix=a/", "--dst-prefix=b/")
SOURCE_PACKAGES = ("ftcore", "launchers")
MAX_UNTRACKED_BYTES = 1_000_000
RECORDED = (
    "ftcore", "torch", "transformers", "xtuner", "mmengine", "deepspeed", "peft", "datasets", "accelerate",
    "bitsandbytes", "hydra-core", "omegaconf", "submitit", "pydantic", "numpy",
)  # fmt: skip


def save_code(folder: Path, root: Path = SOURCE_ROOT) -> dict[str, Any]:
    """Write commit, diff and untracked files of the checkout at `root` into `folder`.

    Returns the record's `code` entry; outside a checkout it holds the installed version alone.
    """
    folder.mkdir()
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None or _git(root, "ls-files", "--error-unmatch", "ftcore/__init__.py") is None:
        return {"commit": None, "dirty": False, "diff_sha256": None, "version": _version("ftcore")}
    # Whatever the user's git settings are; bytes, since a patch of decoded text may no longer apply.
    diff = _git(root, "diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", *PREFIXES) or b""
    listed = _git(root, "ls-files", "-z", "--others", "--exclude-standard") or b""
    untracked = [os.fsdecode(name) for name in listed.split(b"\0") if name]
    (folder / "commit.txt").write_bytes(commit.strip() + b"\n")
    (folder / "diff.patch").write_bytes(diff)
    left_out = [name for name in untracked if not _copy_small(root / name, folder / "untracked" / name)]
    return {
        "commit": commit.decode().strip(),
        "dirty": bool(diff or untracked),
        "diff_sha256": hashlib.sha256(diff).hexdigest() if diff else None,
        "untracked": untracked,
        "untracked_left_out": left_out,
        "version": _version("ftcore"),
    }


def save_source(folder: Path) -> None:
    """Copy the packages that a worker imports into `folder`, so that a queued job runs what was submitted,
    whatever becomes of the checkout; compiled files are left out."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for package in SOURCE_PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.submodule_search_locations
        shutil.copytree(Path(spec.submodule_search_locations[0]), folder / package, ignore=ignore)


def environment(folder: Path) -> dict[str, Any]:
    """Write every installed package to `folder/environment.txt`; returns the record's `environment` entry."""
    installed = sorted({f"{d.name}=={d.version}" for d in metadata.distributions()}, key=str.lower)
    (folder / "environment.txt").write_text("\n".join(installed) + "\n")
    versions = {name: version for name in RECORDED if (version := _version(name))}
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": versions,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout


def _copy_small(source: Path, target: Path) -> bool:
    if not source.is_file() or source.stat().st_size > MAX_UNTRACKED_BYTES:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return True
