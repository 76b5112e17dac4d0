"""A calibration from its settings to what is kept of it."""

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import torch

from ftcore import __version__
from ftcore.config.errors import WorkError
from ftcore.config.schema import Experiment
from ftcore.hardware.capabilities import has_fp8
from ftcore.models.load import DTYPES
from ftcore.plan.assumed import roof
from ftcore.plan.rates import micro_seconds
from ftcore.training.calibrate.cases import Case, Effort, card_cases, cpu_cases
from ftcore.training.calibrate.measure import Found, Session, measure

ON_CARD, ON_CPU = Effort(warm=4.0, timed=1.0), Effort(warm=0.5, timed=0.3)


def sets(e: Experiment) -> tuple[str, ...]:
    """Sets of kernels that can be on the experiment's hardware."""
    if e.hardware.accelerator == "cpu":
        return ("stock", "fast")
    fp8 = has_fp8(e.hardware.accelerator, e.hardware.arch) and e.precision.dtype == "bf16"
    return ("fast", "stock", "fast_fp8") if fp8 else ("fast", "stock")


def cases(e: Experiment) -> list[Case]:
    """What is measured there."""
    return cpu_cases() if e.hardware.accelerator == "cpu" else card_cases()


def steps(e: Experiment) -> int:
    """How often `tell` is called at most."""
    links = 1 if e.hardware.devices_per_node > 1 else 0
    return 1 + len(cases(e)) * len(sets(e)) + 2 + links


def calibrate(
    e: Experiment,
    begun: float,
    limit: float,
    tell: Callable[[str], None],
    chosen: list[Case] | None = None,
    effort: Effort | None = None,
) -> dict[str, Any]:
    """A rates file's content (`ftcore.plan.rates_file`), measured here.

    Nothing new is begun `limit` seconds after `begun` (of `time.perf_counter`). WorkError where the device is
    not here, or no set of kernels gave rates.
    """
    on_card = e.hardware.accelerator != "cpu"
    if on_card and not torch.cuda.is_available():
        raise WorkError(
            f"torch sees no {e.hardware.accelerator} device here",
            goes_on="python -m ftcore doctor, or calibrate hardware=cpu",
        )
    device = "cuda" if on_card else "cpu"
    ranks = e.hardware.devices_per_node
    if on_card:
        ranks = min(ranks, torch.cuda.device_count())
    session = Session(
        device=device, dtype=DTYPES[e.precision.dtype], cases=chosen or cases(e),
        effort=effort or (ON_CARD if on_card else ON_CPU), ends=begun + limit, tell=tell, ranks=ranks,
        roof=roof(e.hardware.card, e.hardware.arch, e.precision.dtype),
    )  # fmt: skip
    found = measure(session, sets(e))
    if not found.kernels:
        raise WorkError("no set of kernels gave rates: " + "; ".join(found.notes))
    # On CUDA the driver's name, which `hardware.card` is too wherever it was found out by itself.
    named = torch.cuda.get_device_name(0) if e.hardware.accelerator == "cuda" else e.hardware.card
    return {
        "card": named,
        "arch": e.hardware.arch,
        "accelerator": e.hardware.accelerator,
        "dtype": e.precision.dtype,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "torch": torch.__version__,
        "ftcore": __version__,
        "seconds": round(time.perf_counter() - begun, 1),
        "memory": found.memory,
        "to_host": found.to_host,
        "link": found.link,
        "optimizer": found.optimizer,
        "kernels": {name: asdict(each) for name, each in found.kernels.items()},
        "measurements": {name: _measured(found, name) for name in found.measurements},
        "notes": found.notes,
    }


def _measured(found: Found, kernels: str) -> list[dict[str, Any]]:
    rates = found.kernels.get(kernels)
    return [
        {
            "name": one.name,
            "seconds": one.seconds,
            "fitted": micro_seconds(one.work, rates) if rates else None,
            "launch_bound": one.launch_bound,
            "work": asdict(one.work),
        }
        for one in found.measurements[kernels]
    ]
