"""The host and its accelerators, and the variables that change what a process sees of them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from ftcore.config.schema import Experiment
from ftcore.config.secrets import masked
from ftcore.doctor.finding import Finding
from ftcore.hardware.capabilities import has_bf16
from ftcore.hardware.detect import Machine
from ftcore.hardware.driver import driver_version, toolkits
from ftcore.hardware.environment import KNOWN, VISIBLE, misspelt

BYTES_PER_GIB = 2**30
BF16 = {True: "bf16 in hardware", False: "no bf16 (emulated)", None: "bf16 not verified for it"}


def host() -> Iterator[Finding]:
    """Processors and memory that a process here may use."""
    yield Finding("host", "processors", "ok", str(len(os.sched_getaffinity(0))))
    memory = psutil.virtual_memory()
    yield Finding("host", "memory", "ok", f"{memory.total / BYTES_PER_GIB:.0f} GiB")


def accelerators(e: Experiment, machine: Machine, *, here: bool) -> Iterator[Finding]:
    """What there is, against what the experiment asks of a node; `here` where its ranks run on this one."""
    kind, wanted = e.hardware.accelerator, e.hardware.devices_per_node
    for each in ("dcu", "cuda"):
        for index, device in enumerate(machine.devices(each)):
            memory = f", {device.memory_gib:g} GiB" if device.memory_gib else ""
            real = BF16[has_bf16(each, device.arch)]
            yield Finding(
                "accelerators", f"{each} {index}", "ok", f"{device.card}, {device.arch}{memory}, {real}"
            )
    there = len(machine.devices(kind))
    archs = sorted({device.arch for device in machine.devices(kind)})
    if here and archs and archs != [e.hardware.arch]:
        found = f"{', '.join(archs)} here, and hardware.arch={e.hardware.arch}, which decides the precision"
        yield Finding("accelerators", "architecture", "warning", found, f"hardware.arch={archs[0]}")
    if kind == "cpu":
        yield Finding("accelerators", "asked for", "ok", "none: hardware=cpu")
    elif there >= wanted:
        yield Finding("accelerators", "asked for", "ok", f"{wanted} {kind}")
    elif not here:
        found = f"{wanted} {kind}: on the cluster's nodes (doctor --cluster looks there)"
        yield Finding("accelerators", "asked for", "ok", found)
    else:
        narrowed = ", ".join(name for name in VISIBLE if name in os.environ)
        remedy = f"look at {narrowed}" if narrowed else "the driver's own tool: does it see the cards?"
        remedy += f"; or hardware.devices_per_node={there}" if there else "; or hardware=auto"
        found = f"{wanted} {kind} asked for, {there} here"
        yield Finding("accelerators", "asked for", "missing", found, remedy)


def driver(accelerator: str, root: Path, env: Mapping[str, str]) -> Iterator[Finding]:
    """Versions of driver and toolkits, of files under `root`; nothing for a CPU."""
    if version := driver_version(accelerator, root):
        yield Finding("accelerators", "driver", "ok", version)
    for name, found in toolkits(accelerator, root, env).items():
        yield Finding("accelerators", name, "ok", found)


def variables(accelerator: str, env: Mapping[str, str]) -> Iterator[Finding]:
    """Variables in `env` that matter, those that hide cards from each other, and those that are misspelt."""
    for name, value in masked({name: env[name] for name in env if name in KNOWN}).items():
        yield Finding("environment", name, "ok", value or "(empty)", own=name in VISIBLE)
    for name in sorted(env):
        if near := misspelt(name):
            remedy = f"set {near} if that was meant; nothing known reads {name}"
            yield Finding("environment", name, "warning", env[name], remedy)
    if accelerator != "dcu":
        return
    if {"HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"} <= env.keys():
        remedy = "unset CUDA_VISIBLE_DEVICES (ftcore's ranks do)"
        found = "HIP reads both variables and shows what is in both"
        yield Finding("environment", "HIP and CUDA", "warning", found, remedy)
    if "ROCR_VISIBLE_DEVICES" in env and {"HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"} & env.keys():
        found = "HIP counts from 0 what ROCR_VISIBLE_DEVICES has left"
        yield Finding("environment", "ROCR and HIP", "warning", found, "one of the two alone")
