"""Versions of the accelerators' driver and toolkits, read from files and the driver's own tool."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

MODULES = {"dcu": ("hydcu", "hycu", "amdgpu"), "cuda": ("nvidia",)}
"""Kernel modules that drive each kind, by name."""

TOOLKITS = {"dcu": ("DTKROOT", "ROCM_PATH"), "cuda": ("CUDA_HOME",)}
"""Variables that name a toolkit's folder."""


def driver_version(accelerator: str, root: Path) -> str | None:
    """`nvidia 580.65.06`: module and version, of files under `root` or from nvidia-smi; None for a CPU."""
    for module in MODULES.get(accelerator, ()):
        if version := _line(root / "sys/module" / module / "version"):
            return f"{module} {version}"
    if accelerator == "cuda" and (version := _nvidia_smi()):
        return f"nvidia {version}"
    return None


def toolkits(accelerator: str, root: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Variable -> folder, and the version in it where it says one: `/opt/dtk, 25.04`."""
    found = {}
    for name in TOOLKITS.get(accelerator, ()):
        if folder := env.get(name):
            version = _line(root / folder.lstrip("/") / ".info/version")
            found[name] = f"{folder}, {version}" if version else folder
    return found


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip().split("\n")[0]
    except OSError:
        return ""


def _nvidia_smi() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip().split("\n")[0]
