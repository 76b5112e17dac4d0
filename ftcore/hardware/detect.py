"""Which accelerators this machine has, read from the driver's own files and tools.

DCU: the KFD topology in sysfs, with Hygon's runtime beside it (another HIP card is not a DCU).
CUDA: `nvidia-smi`. Either as the *_VISIBLE_DEVICES variables narrow it.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ftcore.hardware.capabilities import DCU_CARDS

MIB_PER_GIB = 1024
KFD_NODES = "sys/class/kfd/kfd/topology/nodes"


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator; `memory_gib` in GiB, None where the driver does not say."""

    card: str
    arch: str
    memory_gib: float | None


Found = tuple[str, Device]
"""UUID as the runtime spells it, and the device."""


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
    """The machine this process runs on, or that it was told to assume; looked at once a process."""
    return _assumed or Machine(cuda=_nvidia_smi(os.environ), dcu=dcu_devices(Path("/"), os.environ))


_assumed: Machine | None = None


def assume(machine: Machine) -> None:
    """Let this process compose as it would be done on `machine`."""
    global _assumed
    _assumed = machine
    this_machine.cache_clear()


def dcu_devices(root: Path, env: Mapping[str, str]) -> tuple[Device, ...]:
    """DCUs under `root` (`/`, or a copy of its tree) that HIP would show.

    ROCR_VISIBLE_DEVICES hides cards from the runtime below HIP, and HIP numbers what is left; HIP reads
    CUDA_VISIBLE_DEVICES where its own variable is not set.
    """
    if not ((root / "opt/hyhal").exists() or env.get("DTKROOT")):
        return ()
    nodes = sorted((root / KFD_NODES).glob("*"), key=lambda node: int(node.name))
    found = [device for device in map(_kfd_device, nodes) if device]
    left = visible(found, env.get("ROCR_VISIBLE_DEVICES"))
    return _without_uuids(visible(left, env.get("HIP_VISIBLE_DEVICES", env.get("CUDA_VISIBLE_DEVICES"))))


def cuda_devices(csv: str, env: Mapping[str, str]) -> tuple[Device, ...]:
    """Cards of an `nvidia-smi` answer that CUDA would show."""
    found, listed = parse_nvidia_smi(csv), env.get("CUDA_VISIBLE_DEVICES")
    if listed and listed.strip().startswith("MIG-") and found:
        # A process can use one MIG instance, and nvidia-smi's rows are of whole cards.
        return (replace(found[0][1], memory_gib=None),)
    return _without_uuids(visible(found, listed))


def visible(devices: list[Found], listed: str | None) -> list[Found]:
    """`devices` as a *_VISIBLE_DEVICES value selects them: indices, or the beginnings of UUIDs.

    As the runtimes do: what follows an entry that matches nothing is ignored, and an entry twice hides all.
    """
    if listed is None:
        return devices
    chosen: list[Found] = []
    for part in map(str.strip, listed.split(",")):
        if part.isdecimal():
            match = devices[int(part) : int(part) + 1]
        else:
            match = [device for device in devices if part and device[0].startswith(part)]
        if len(match) != 1:
            break
        if match[0] in chosen:
            return []
        chosen += match
    return chosen


def parse_nvidia_smi(csv: str) -> list[Found]:
    """`uuid, name, compute_cap, memory.total` rows (MiB, no header, no units); `[N/A]` is unknown memory."""
    devices = []
    for line in csv.strip().splitlines():
        uuid, name, capability, memory = (part.strip() for part in line.split(","))
        gib = round(int(memory) / MIB_PER_GIB, 1) if memory.isdecimal() else None
        devices.append((uuid, Device(name, "sm_" + capability.replace(".", ""), gib)))
    return devices


def _nvidia_smi(env: Mapping[str, str]) -> tuple[Device, ...]:
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
    return cuda_devices(answer.stdout, env)


def _without_uuids(found: list[Found]) -> tuple[Device, ...]:
    return tuple(device for _, device in found)


def _kfd_device(node: Path) -> Found | None:
    properties = _key_values(node / "properties")
    version = properties.get("gfx_target_version", 0)
    if not version:
        return None
    # 90006 is major 9, minor 00, step 06; the step is written in hexadecimal: gfx906.
    arch = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    banks = (_key_values(bank / "properties") for bank in (node / "mem_banks").glob("*"))
    memory = sum(bank.get("size_in_bytes", 0) for bank in banks) / 2**30
    uuid = f"GPU-{properties.get('unique_id', 0):016x}"
    return uuid, Device(DCU_CARDS.get(arch, arch), arch, round(memory, 1))


def _key_values(path: Path) -> dict[str, int]:
    try:
        pairs = (line.split() for line in path.read_text().splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    except OSError:
        return {}
