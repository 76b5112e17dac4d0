"""What a node is made of, as facts for the record: host, driver, accelerators, how they are connected."""

import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from ftcore.hardware.detect import this_machine
from ftcore.hardware.driver import driver_version, toolkits

BYTES_PER_GIB = 2**30
TOPOLOGY = {"cuda": ["nvidia-smi", "topo", "-m"], "dcu": ["rocm-smi", "--showtopo"]}
ANSWER_SECONDS = 30


def facts(accelerator: str) -> dict[str, Any]:
    """The node this runs on; memory in GiB. What cannot be found out is None or left out."""
    devices = this_machine().devices(accelerator)
    return {
        "host": os.uname().nodename,
        "kernel": platform.release(),
        "cpu": cpu_name(Path("/proc/cpuinfo")),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / BYTES_PER_GIB, 1),
        "driver": driver_version(accelerator, Path("/")),
        "toolkits": toolkits(accelerator, Path("/"), os.environ),
        "devices": [asdict(device) for device in devices],
        "topology": _topology(accelerator) if len(devices) > 1 else None,
    }


def cpu_name(cpuinfo: Path) -> str | None:
    """The processor's name as /proc/cpuinfo has it."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


def _topology(accelerator: str) -> str | None:
    try:
        answer = subprocess.run(
            TOPOLOGY[accelerator], capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True
        )
    except (OSError, KeyError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
