"""The code and environment that a run is made with, kept in its directory."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from ftcore.runs.source import SOURCE_ROOT

PREFIXES = ("--src-prefix=a/", "--dst-prefix=b/")
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


def environment(folder: Path) -> dict[str, Any]:
    """Write every installed package to `folder/environment.txt`; returns the record's `environment` entry."""
    installed = sorted({f"{d.name}=={d.version}" for d in metadata.distributions()}, key=str.lower)
    text = "\n".join(installed) + "\n"
    (folder / "environment.txt").write_text(text)
    lock = SOURCE_ROOT / "requirements.lock"
    versions = {name: version for name in RECORDED if (version := _version(name))}
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": versions,
        "installed_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None,
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
