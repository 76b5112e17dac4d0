"""What is known of the training data: counted where it was prepared, estimated from some of its rows where it
was not, as plain data."""

import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.data.errors import DataError
from ftcore.data.light_tokenizer import tokenizer_folder
from ftcore.plan.batch import batch, duration

HASHED = 256 * 1024**2
"""Files up to here are hashed to look for them in the cache, where nobody did before; a plan answers at
once."""

FIGURES = ("rows", "tokens", "samples", "fill_share", "truncated", "labelled_share", "longest")

NOT_OF_ROWS = {"micro_batch_size", "num_workers", "prepare_workers", "shuffle", "sampler", "varlen"}
"""Settings of the data that have no part in which samples there are."""

SAMPLES_FROM = {"data", "model", "evaluation", "max_length", "seed", "cache_dir"}
"""Sections of the configuration that decide which samples there are."""

Seen = dict[str, dict[str, Any]]
"""What was found, by the settings that decide it: the trials of a sweep mostly have the same data."""


def data_of(e: Experiment, seen: Seen | None = None) -> dict[str, Any]:
    """FIGURES of an epoch, None where unknown (`why` says why), and `basis`: `prepared` (counted), `sampled`
    (estimated; `sampled` says from what, `between` the ranges) or None. `seen` is for several experiments."""
    if seen is None:
        return _found(e)
    key = samples_key(e)
    if key not in seen:
        seen[key] = _found(e)
    return dict(seen[key])


def samples_key(e: Experiment) -> str:
    """The same for experiments that have the same samples, by their settings alone."""
    return e.model_dump_json(include=SAMPLES_FROM, exclude={"data": NOT_OF_ROWS})


def length_of(e: Experiment, data: dict[str, Any]) -> dict[str, Any]:
    """Epochs, steps and iterations; `between` has the fewest and the most steps of an estimate."""
    samples, between = data["samples"], None
    if samples is None:
        steps = e.max_steps
        iterations = steps and steps * batch(e).accumulation
        return {"epochs": e.epochs, "steps": steps, "iterations": iterations, "between": None}
    d = duration(e, samples)
    if data["between"]:
        between = [duration(e, max(1, end)).steps for end in data["between"]["samples"]]
    epochs = round(d.iterations / d.iterations_per_epoch, 3)
    return {"epochs": epochs, "steps": d.steps, "iterations": d.iterations, "between": between}


def source_bytes(e: Experiment) -> int | None:
    """Size of the source's files, where they can be seen from here."""
    sizes = [_bytes(source.path) for source in e.data.sources().values()]
    seen = [size for size in sizes if size is not None]
    return sum(seen) if len(seen) == len(sizes) else None


def _found(e: Experiment) -> dict[str, Any]:
    known = {"source": e.data.origin(), "max_length": e.max_length, "bytes": source_bytes(e)}
    unknown: dict[str, Any] = dict.fromkeys(FIGURES)
    empty = unknown | {"basis": None, "prepared": False, "sampled": None, "between": None, "why": None}
    if (counted := _prepared(e)) is not None:
        return known | empty | counted
    from ftcore.plan.lengths import lengths

    try:
        found = lengths(e)
    except (DataError, OSError) as error:
        return known | empty | {"why": str(error)}
    ranges = {name: getattr(found, name) for name in ("rows", "tokens", "samples")}
    looked = {name: value for name, value in asdict(found).items() if name not in ranges}
    return known | empty | {
        **{name: one.likely for name, one in ranges.items()},
        "basis": "sampled",
        "fill_share": round(min(1.0, found.tokens.likely / (found.samples.likely * e.max_length)), 6),
        "labelled_share": round(found.labelled, 6),
        "longest": found.longest,
        "sampled": {name: looked[name] for name in ("looked_at", "tokenizer", "whole", "head")}
        | {"unreadable": len(found.unreadable), "first_unreadable": next(iter(found.unreadable), None)},
        "between": {name: [one.low, one.high] for name, one in ranges.items()},
    }  # fmt: skip


def _prepared(e: Experiment) -> dict[str, Any] | None:
    # A hub's dataset, or the tokenizer of a model that is not here, would be fetched to know its contents.
    if any(source.hub for source in e.data.sources().values()) or tokenizer_folder(e.model.path) is None:
        return None
    if not Path(e.cache_dir, "data").expanduser().is_dir() or not _quick_to_know(e):
        return None
    from ftcore.data.prepare import cache_key, find_prepared

    found = None
    with suppress(DataError, OSError):
        found = find_prepared(e.cache_dir, cache_key(e))
    if found is None:
        return None
    manifest = found.manifest
    return {
        "basis": "prepared",
        "prepared": True,
        "rows": manifest["rows"]["kept"],
        "truncated": manifest["rows"]["truncated"],
        "tokens": manifest["tokens"],
        "samples": manifest["samples"],
        "fill_share": manifest["fill_share"],
        "labelled_share": round(manifest["labelled_tokens"] / manifest["tokens"], 6),
        "longest": manifest["longest_row"],
    }


def _quick_to_know(e: Experiment) -> bool:
    """Whether the sources' hashes are remembered, or soon made."""
    from ftcore.data.fingerprints import remembered

    files = [file for source in e.data.sources().values() for file in _files(source.path)]
    unknown = [file for file in files if not remembered(file, Path(e.cache_dir).expanduser())]
    return sum(file.stat().st_size for file in unknown) <= HASHED


def _bytes(place: str | None) -> int | None:
    if place is None or not Path(place).expanduser().exists():
        return None
    return sum(file.stat().st_size for file in _files(place))


def _files(place: str | None) -> list[Path]:
    path = Path(place).expanduser() if place else None
    if path is None or not path.exists():
        return []
    if path.is_file():
        return [path]
    return [Path(root, name) for root, _, names in os.walk(path) for name in names]
