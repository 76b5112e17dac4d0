"""Rates files: where they lie, and what has to stand in them.

JSON, data alone: of which card, by what and when, the rates, and the measurements they were fitted to. Those
that come with ftcore lie in `conf/rates/`, those that `calibrate` makes in `cache_dir`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from ftcore.config.errors import Problem, RequestError, nearest
from ftcore.config.groups import conf_dir
from ftcore.config.schema import Experiment
from ftcore.plan.rates import KernelRates, Rates

KERNELS = ("stock", "fast", "fast_fp8")
OPTIMIZERS = ("stock", "fused")
BESIDE = ("measurements", "notes", "seconds", "ftcore")
"""What a file may have beside its rates, for people."""

MAY_BE_NULL = ("masked_attention", "link", "to_host", "arch")


def file_name(card: str) -> str:
    """`nvidia_h100_80gb_hbm3.json` of NVIDIA H100 80GB HBM3."""
    return re.sub(r"[^\w]+", "_", card.strip().lower()).strip("_") + ".json"


def places(cache_dir: str) -> tuple[Path, ...]:
    """Where rates of a card are looked for, first to last."""
    return (Path(cache_dir).expanduser() / "rates", conf_dir() / "rates")


def of_card(e: Experiment) -> Rates | None:
    """The rates of the experiment's card, where there are some of its compute type; RequestError where their
    file is not what it should be, or is named and not there."""
    named = e.hardware.rates
    if named is None:
        return None
    if named != "auto":
        return load(Path(named).expanduser())
    for folder in places(e.cache_dir):
        file = folder / file_name(e.hardware.card)
        if file.is_file():
            found = load(file)
            return found if alike(found.dtype, e.precision.dtype) else None
    return None


def alike(one: str, other: str) -> bool:
    """Whether two compute types are of one speed: 16-bit ones are."""
    return (one == "fp32") == (other == "fp32")


def load(file: Path) -> Rates:
    """The rates in `file`; RequestError with all that is wrong with it."""
    try:
        changed = file.stat().st_mtime_ns
    except OSError as error:
        raise RequestError([Problem("hardware.rates", f"{file} cannot be read: {error.strerror}")]) from None
    return _load(file, changed)


@lru_cache(maxsize=8)
def _load(file: Path, _changed: int) -> Rates:
    """A sweep's trials ask a thousand times."""
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError([Problem("hardware.rates", f"{file} cannot be read: {error}")]) from None
    problems = list(_wrong(given))
    if problems:
        raise RequestError(
            [Problem(f"{file}: {one.key}", one.message, one.allowed, one.nearest) for one in problems]
        )
    kernels = {name: KernelRates(**each) for name, each in given["kernels"].items()}
    own = {name: given[name] for name in _names(Rates) if name not in ("kernels", "source")}
    return Rates(**own, kernels=kernels, source=f"{_shown(file)} of {given['measured'][:10]}")


def _shown(file: Path) -> str:
    """`conf/rates/...` of those that come with ftcore."""
    shipped = conf_dir()
    return str(Path("conf") / file.relative_to(shipped) if file.is_relative_to(shipped) else file)


def _wrong(given: Any) -> Iterator[Problem]:
    if not isinstance(given, dict):
        yield Problem("rates", "is no JSON object")
        return
    names = [name for name in _names(Rates) if name != "source"]
    yield from _keys("", given, names, BESIDE)
    for name in ("card", "accelerator", "dtype", "measured", "torch"):
        if name in given and not isinstance(given[name], str):
            yield Problem(name, f"{given[name]!r} is no text")
    for name in ("memory", "link", "to_host"):
        yield from _rate(name, name, given)
    for part, allowed in (("kernels", KERNELS), ("optimizer", OPTIMIZERS)):
        if part not in given:
            continue
        if not isinstance(given[part], Mapping):
            yield Problem(part, f"{given[part]!r} is no JSON object")
            continue
        for name, each in given[part].items():
            key = f"{part}.{name}"
            if name not in allowed:
                yield Problem(key, "unknown key", ", ".join(allowed), nearest(name, allowed))
            elif part == "optimizer":
                yield from _rate(key, name, given[part])
            elif not isinstance(each, Mapping):
                yield Problem(key, f"{each!r} is no JSON object")
            else:
                yield from _keys(f"{key}.", each, _names(KernelRates), ())
                for rate in _names(KernelRates):
                    yield from _rate(f"{key}.{rate}", rate, each)


def _keys(
    prefix: str, given: Mapping[str, Any], names: list[str], further: tuple[str, ...]
) -> Iterator[Problem]:
    for name in given:
        if name not in (*names, *further):
            near = nearest(name, names)
            yield Problem(f"{prefix}{name}", "unknown key", ", ".join(names), near and f"{prefix}{near}")
    for name in names:
        if name not in given:
            yield Problem(f"{prefix}{name}", "is missing")


def _rate(key: str, name: str, given: Mapping[str, Any]) -> Iterator[Problem]:
    value = given.get(name, 1.0)
    if value is None and name in MAY_BE_NULL:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    may_be_zero = name.startswith("launch") or name == "error"
    if not number or not (value >= 0 if may_be_zero else value > 0) or value == float("inf"):
        allowed = "a number of 0 or more" if may_be_zero else "a number over 0"
        yield Problem(key, f"{value!r} is no rate", allowed)


def _names(of: type) -> list[str]:
    return [field.name for field in fields(of)]
