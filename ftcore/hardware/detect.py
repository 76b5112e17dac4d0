"""Which accelerators this machine has, read from the driver's own files and tools.

DCU: the KFD topology in sysfs, with Hygon's runtime beside it (another HIP card is not a DCU).
CUDA: `nvidia-smi`, narrowed by CUDA_VISIBLE_DEVICES.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ftcore.hardware.capabilities import DCU_CARDS

MIB_PER_GIB = 1024
KFD_NODES = "sys/class/kfd/kfd/topology/nodes"


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator; `memory_gib` in GiB."""

    card: str
    arch: str
    memory_gib: float


@dataclass(frozen=True, slots=True)
class Machine:
    """The accelerators that a job started here would see."""

    cuda: tuple[Device, ...] = ()
    dcu: tuple[Device, ...] = ()

    @property
    def accelerator(self) -> str:
        if self.dcu:
            return "dcu"
        return "cuda" if self.cuda else "cpu"

    def devices(self, accelerator: str) -> tuple[Device, ...]:
        return {"cuda": self.cuda, "dcu": self.dcu}.get(accelerator, ())


@cache
def this_machine() -> Machine:
    """The machine this process runs on; looked at once a process."""
    return Machine(cuda=_cuda_devices(os.environ), dcu=dcu_devices(Path("/"), os.environ))


def dcu_devices(root: Path, env: Mapping[str, str]) -> tuple[Device, ...]:
    """DCUs under `root` (`/`, or a copy of its tree), as HIP_VISIBLE_DEVICES narrows them."""
    if not ((root / "opt/hyhal").exists() or env.get("DTKROOT")):
        return ()
    nodes = sorted((root / KFD_NODES).glob("*"), key=lambda node: int(node.name))
    found = [device for device in map(_kfd_device, nodes) if device]
    return visible(found, env.get("HIP_VISIBLE_DEVICES"))


def visible(devices: list[Device], listed: str | None) -> tuple[Device, ...]:
    """`devices` as a *_VISIBLE_DEVICES value selects them: indices up to the first that does not exist."""
    if listed is None:
        return tuple(devices)
    chosen = []
    for part in listed.split(","):
        if not part.strip().isdigit() or int(part) >= len(devices):
            break
        chosen.append(devices[int(part)])
    return tuple(chosen)


def parse_nvidia_smi(csv: str) -> list[tuple[str, Device]]:
    """`uuid, name, compute_cap, memory.total` rows (MiB, no header, no units) as (uuid, Device)."""
    devices = []
    for line in csv.strip().splitlines():
        uuid, name, capability, memory = (part.strip() for part in line.split(","))
        arch = "sm_" + capability.replace(".", "")
        devices.append((uuid, Device(name, arch, round(float(memory) / MIB_PER_GIB, 1))))
    return devices


def _cuda_devices(env: Mapping[str, str]) -> tuple[Device, ...]:
    if not Path("/dev/nvidiactl").exists() and not Path("/proc/driver/nvidia").exists():
        return ()
    query = "--query-gpu=uuid,name,compute_cap,memory.total"
    try:
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ()
    found = parse_nvidia_smi(answer.stdout)
    listed = env.get("CUDA_VISIBLE_DEVICES")
    if listed and listed.startswith(("GPU-", "MIG-")):
        by_uuid = dict(found)
        return tuple(by_uuid[uuid] for uuid in listed.split(",") if uuid in by_uuid)
    return visible([device for _, device in found], listed)


def _kfd_device(node: Path) -> Device | None:
    properties = _key_values(node / "properties")
    version = properties.get("gfx_target_version", 0)
    if not version:
        return None
    # 90006 is major 9, minor 00, step 06; the step is written in hexadecimal: gfx906.
    arch = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    banks = (_key_values(bank / "properties") for bank in (node / "mem_banks").glob("*"))
    memory = sum(bank.get("size_in_bytes", 0) for bank in banks) / 2**30
    return Device(DCU_CARDS.get(arch, arch), arch, round(memory, 1))


def _key_values(path: Path) -> dict[str, int]:
    try:
        pairs = (line.split() for line in path.read_text().splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    except OSError:
        return {}
