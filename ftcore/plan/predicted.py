"""What is expected of a run, kept with it from before it starts, so that the error is known afterwards."""

from typing import Any

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.data import Seen, data_of, length_of
from ftcore.plan.estimate import estimate
from ftcore.plan.memory import GIB, memory
from ftcore.plan.needs import memory_of, shape

VERSION = 1
"""Of `plan.json`."""


class Predictor:
    """Plans of many experiments; models and data that they share are looked at once."""

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[Architecture | None, str]] = {}
        self._seen: Seen = {}

    def plan(self, e: Experiment) -> dict[str, Any]:
        """`plan.json`: memory, data, length and time as `plan --json` has them; what is unknown is None."""
        if e.model.path not in self._shapes:
            self._shapes[e.model.path] = shape(e.model.path)
        a, why = self._shapes[e.model.path]
        data = data_of(e, self._seen)
        length = length_of(e, data)
        return {
            "schema_version": VERSION,
            "unknown": None if a else why,
            "memory": memory_of(e, memory(e, a)) if a and e.hardware.accelerator != "cpu" else None,
            "data": data,
            "length": length,
            "time": estimate(e, a, data, length) if a else None,
        }


def results(plan: dict[str, Any]) -> dict[str, Any]:
    """`results.predicted` of the record, by the names that the measured figures have; empty where nothing is
    predicted."""
    found: dict[str, Any] = {}
    if there := plan["memory"]:
        parts = {name: round(size / GIB, 4) for name, size in there["bytes"].items() if size}
        found |= {
            "peak_memory_gib": round(there["allocated"] / GIB, 4),
            "phase": there["phase"],
            "recomputed_layers": there["recomputed_layers"],
            "parts_gib": parts,
        }
    steps, time = plan["length"]["steps"], plan["time"]
    if steps is not None:
        found["steps"] = steps
    if plan["data"]["basis"]:
        found |= {"samples": plan["data"]["samples"], "data": plan["data"]["basis"]}
    if time and time["step_seconds"] is not None:
        found["step_seconds"] = round(time["step_seconds"], 6)
        found["rates"] = time["source"]
        if steps is not None:
            found["training_seconds"] = round(steps * time["step_seconds"], 3)
            found["total_seconds"] = round(time["total_seconds"], 1)
            found["accelerator_hours"] = round(time["accelerator_hours"], 5)
    return found
