"""The probe started, and its answer judged."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftcore.config.compose import to_yaml
from ftcore.config.schema import Experiment
from ftcore.doctor.finding import Finding
from ftcore.hardware.capabilities import has_bf16
from ftcore.hardware.software import KEEP_VENDORS, TorchBuild

SECONDS = 300
"""For the probe: torch from a busy shared filesystem takes a minute or two."""

ALLOWED = {"float32": 1e-3, "float16": 5e-3, "bfloat16": 3e-2}
"""Relative error of a product of rounded numbers; fp32's leaves room for TF32."""

DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def probe(e: Experiment) -> dict[str, Any]:
    """What `ftcore.doctor.probe` answers for `e`; {"error": ...} where it does not."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(to_yaml(e), encoding="utf-8")
        alone = ["-P"] if sys.flags.safe_path else []  # as this process was started
        command = [sys.executable, *alone, "-m", "ftcore.doctor.probe", str(config)]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return {"error": f"no answer in {SECONDS} s"}
    return answer_of(answer.returncode, answer.stdout, answer.stderr)


def answer_of(code: int, out: str, err: str) -> dict[str, Any]:
    """The last line that is JSON; what a library prints before it is passed over."""
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    died = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    words = [line for line in err.splitlines() if line.strip()]
    return {"error": f"{died}: {words[-1].strip() if words else 'without a word'}"}


def judge(e: Experiment, told: dict[str, Any]) -> Iterator[Finding]:
    """The probe's answer as lines."""
    kind = e.hardware.accelerator
    if "error" in told:
        remedy = "python -c 'import torch' says more"
        if kind == "dcu":
            remedy += "; is the toolkit loaded (module load compiler/dtk, source .../env.sh)?"
        yield Finding("torch", "import", "missing", told["error"], remedy)
        return
    build = TorchBuild(told["version"], told["cuda"], told["hip"])
    yield Finding("torch", "import", "ok", str(build))
    yield Finding("torch", "import time", "ok", f"{told['seconds']} s", own=True)
    if kind != "cpu":
        yield _devices(e, told["devices"], build)
    for place, products in told["products"].items():
        for dtype, error in products.items():
            yield _product(e, place, dtype, error)
    if "backend" in told:
        yield _backend(told["backend"], kind)


def _devices(e: Experiment, devices: Any, build: TorchBuild) -> Finding:
    kind, wanted = e.hardware.accelerator, e.hardware.devices_per_node
    if isinstance(devices, dict):
        return Finding("torch", "devices", "missing", devices["error"], "see the driver's own tool")
    shown = ", ".join(dict.fromkeys(f"{d['name']} {d['arch']} {d['gib']} GiB" for d in devices))
    found = f"{len(devices)} of {wanted} asked for{f': {shown}' if shown else ''}"
    if len(devices) >= wanted:
        return Finding("torch", "devices", "ok", found)
    if build.kind == kind:
        files = "/dev/kfd and /dev/dri" if kind == "dcu" else "/dev/nvidia*"
        remedy = f"the driver, *_VISIBLE_DEVICES, and permission on {files}"
    else:
        remedy = f"{build} is no build for {kind}; {KEEP_VENDORS if kind == 'dcu' else 'make setup'}"
    return Finding("torch", "devices", "missing", found, remedy)


def _product(e: Experiment, place: str, dtype: str, error: Any) -> Finding:
    name = f"product {place} {dtype}"
    # What the experiment computes in has to be right; the others are worth knowing.
    state = "missing" if dtype == DTYPES[e.precision.dtype] else "warning"
    if isinstance(error, dict):
        return Finding("torch", name, state, error["error"], "another precision, or another torch build")
    if not error <= ALLOWED[dtype]:  # nan too
        found = f"wrong by {error:.1e} (relative), allowed {ALLOWED[dtype]:.0e}"
        return Finding("torch", name, state, found, "another card, driver or torch build")
    emulated = dtype == "bfloat16" and has_bf16(e.hardware.accelerator, e.hardware.arch) is False
    return Finding("torch", name, "ok", "right" + (", but emulated and slow" if emulated else ""))


def _backend(backend: dict[str, Any], kind: str) -> Finding:
    name = {"nccl": "rccl" if kind == "dcu" else "nccl"}.get(backend["name"], backend["name"])
    if backend["sum"] == 1.0:
        return Finding("torch", name, "ok", "a sum over one rank is right")
    said = backend["sum"]["error"] if isinstance(backend["sum"], dict) else f"1 became {backend['sum']}"
    remedy = "ranks cannot talk without it: a torch build with it"
    return Finding("torch", name, "missing", said, remedy)
