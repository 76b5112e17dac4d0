"""What an experiment needs of card, node and disk, and what is to be said about it, as plain data."""

from dataclasses import asdict
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.plan.architecture import Architecture
from ftcore.plan.estimate import estimate
from ftcore.plan.families import Unknown, find
from ftcore.plan.host import Disk, Host, disk, host
from ftcore.plan.memory import MARGIN, Memory, memory
from ftcore.plan.states import trained_parameters
from ftcore.plan.warnings import Known, warnings


def needs(e: Experiment, data: dict[str, Any], length: dict[str, Any]) -> dict[str, Any]:
    """parameters, memory, host, disk, time and warnings of `e`, given `data_of` and `length_of` it.

    Where the model's shape is unknown all but the warnings are None, and `unknown` says why.
    """
    a, why = shape(e.model.path)
    peak = memory(e, a) if a and e.hardware.accelerator != "cpu" else None
    node = host(e, a) if a else None
    room = disk(e, a, length["iterations"]) if a else None
    known = Known(
        e, a, peak, node, room, data["samples"], data["tokens"], length["steps"], length["iterations"],
        data["sampled"],
    )  # fmt: skip
    return {
        "unknown": None if a else why,
        "parameters": _parameters(e, a, why) if a else None,
        "memory": memory_of(e, peak) if peak else None,
        "host": _host(node) if node else None,
        "disk": _disk(room) if room else None,
        "time": estimate(e, a, data, length) if a else None,
        "warnings": [asdict(one) for one in warnings(known)],
    }


def shape(path: str) -> tuple[Architecture | None, str]:
    """The shape of the model at `path` and where it is from, or None and why not."""
    try:
        return find(path)
    except Unknown as error:
        return None, str(error)


def _parameters(e: Experiment, a: Architecture, source: str) -> dict[str, Any]:
    parts = a.parameters_by_part()
    return {
        "source": source,
        "family": a.family,
        "total": a.parameters,
        "by_part": parts,
        "trained": trained_parameters(e, a),
    }


def memory_of(e: Experiment, found: Memory) -> dict[str, Any]:
    """A peak as plain data, in bytes."""
    return {
        "phase": found.phase,
        "bytes": asdict(found.peak),
        "total": found.peak.total,
        "allocated": found.peak.allocated,
        "phases": found.phases,
        "recomputed_layers": found.recomputed,
        "card_gib": e.hardware.memory_gib,
        "margin": MARGIN,
        "fits": found.fits(e.hardware.memory_gib),
    }


def _host(found: Host) -> dict[str, Any]:
    return asdict(found) | {"total": found.total}


def _disk(found: Disk) -> dict[str, Any]:
    return asdict(found) | {"needed": found.needed}
