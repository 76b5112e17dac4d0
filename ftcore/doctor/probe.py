"""The deep look: torch imported and put to work, in a process of its own, as a rank would have it.

Run as `python -m ftcore.doctor.probe CONFIG`; prints one JSON object as its last line. What fails is told in
it, so that one broken part does not hide the others.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftcore.config.compose import load
from ftcore.worker import prepare_environment

SIZE = 256
"""Rows and columns of the matrices that are multiplied."""


def main(arguments: list[str]) -> int:
    e = load(Path(arguments[0]))
    prepare_environment(e, e.hardware.devices_per_node)
    print(json.dumps(look(e.hardware.accelerator, e.hardware.devices_per_node)))
    return 0


def look(accelerator: str, devices: int) -> dict[str, Any]:
    """What torch says and computes; {"error": ...} in place of what failed."""
    began = time.monotonic()
    try:
        import torch
    except BaseException as error:  # a library of the vendor's may fail with anything
        return {"error": _text(error)}
    told: dict[str, Any] = {
        "seconds": round(time.monotonic() - began, 1),
        "version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip,
    }  # fmt: skip
    if accelerator == "cpu":
        places = ["cpu"]
        told["devices"] = []
    else:
        told["devices"] = _try(lambda: _devices(torch))
        there = len(told["devices"]) if isinstance(told["devices"], list) else 0
        places = [f"cuda:{index}" for index in range(min(there, devices))]
    told["products"] = {place: {name: _try(_product(torch, place, name)) for name in
                                ("float32", "float16", "bfloat16")} for place in places}  # fmt: skip
    if places:
        backend = "gloo" if accelerator == "cpu" else "nccl"
        told["backend"] = {"name": backend, "sum": _try(lambda: _collective(torch, backend))}
    return told


def _devices(torch: Any) -> list[dict[str, Any]]:
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        arch = getattr(properties, "gcnArchName", "").split(":")[0]
        found.append({
            "name": properties.name, "gib": round(properties.total_memory / 2**30, 1),
            "arch": arch if torch.version.hip else f"sm_{properties.major}{properties.minor}",
        })  # fmt: skip
    return found


def _product(torch: Any, place: str, dtype: str) -> Callable[[], float]:
    """Relative error (Frobenius) of a product on `place` against one in fp64 of the same rounded numbers."""

    def error() -> float:
        generator = torch.Generator().manual_seed(0)
        one, other = (torch.randn(SIZE, SIZE, generator=generator).to(getattr(torch, dtype)) for _ in "ab")
        wanted = one.double() @ other.double()
        got = (one.to(place) @ other.to(place)).cpu().double()
        return float((got - wanted).norm() / wanted.norm())

    return error


def _collective(torch: Any, backend: str) -> float:
    """Sum of a 1 over a group of this process alone: the library loads and works on the device."""
    dist = torch.distributed
    dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        value = torch.ones(1, device="cpu" if backend == "gloo" else "cuda:0")
        dist.all_reduce(value)
        return float(value.item())
    finally:
        dist.destroy_process_group()


def _try(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        return {"error": _text(error)}


def _text(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
