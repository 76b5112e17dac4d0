"""What a search keeps of its command line, enough to make further trials on any node, days later.

Compositions read the `conf/` of the sweep's own program and a copy of the user's folder, and assume the
machine that the command was given on: on a node other accelerators are there, or fewer are visible.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftcore.config.schema.search import Asha, Tpe
from ftcore.hardware import detect
from ftcore.runs import source
from ftcore.runs.create import Made, Request
from ftcore.runs.files import read_json, write_json
from ftcore.sweeps import conditions, directory
from ftcore.sweeps.axes import Axis, Interval
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.request import Sweep, Variations
from ftcore.sweeps.strategy import SEARCH

FILE, CONF = "search.json", "conf"
CONFIGS = ("*.yaml", "*/*.yaml", "*/*/*.yaml")
"""Of a user's folder; it may be one that holds runs too."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A search as a worker finds it."""

    search: Tpe | Asha
    axes: tuple[Axis, ...]
    variations: Variations
    skip: tuple[Callable[[Mapping[str, Any]], bool], ...]
    made: Made
    asker: Request


def keep(sweep: SweepDirectory, asked: Sweep, made: Made) -> None:
    """Write down what `load` needs; the program must be in `code/` already."""
    if not sweep.source.is_dir():
        source.unpack(sweep.path / "code" / source.ARCHIVE, sweep.source)
    if asked.config_dir is not None:
        _copy(Path(asked.config_dir), sweep.path / CONF)
    kept = {
        "fixed": list(asked.fixed),
        "axes": [_plain(axis) for axis in asked.axes],
        "config_name": asked.config_name,
        "machine": asdict(detect.this_machine()),
        "code": made.code,
        "environment": made.environment,
    }
    write_json(sweep.path / FILE, kept)


def load(sweep: SweepDirectory) -> Frozen:
    """For a worker, whose process assumes the asking machine from here on."""
    kept, entry = read_json(sweep.path / FILE), directory.read(sweep)
    detect.assume(_machine(kept["machine"]))
    search = SEARCH.validate_python(entry["search"])
    assert isinstance(search, (Tpe, Asha))
    axes = tuple(map(_axis, kept["axes"]))
    own = sweep.path / CONF
    return Frozen(
        search,
        axes,
        Variations(kept["fixed"], axes, str(own) if own.is_dir() else None, kept["config_name"]),
        tuple(map(conditions.parse, search.skip)),
        Made(kept["code"], kept["environment"], sweep.path),
        Request(entry["command"], entry["folder"]),
    )


def _copy(folder: Path, target: Path) -> None:
    target.mkdir()
    for pattern in CONFIGS:
        for path in folder.glob(pattern):
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _plain(axis: Axis) -> dict[str, Any]:
    interval = None if axis.interval is None else asdict(axis.interval)
    return {"key": axis.key, "prefix": axis.prefix, "group": axis.group, "texts": list(axis.texts),
            "interval": interval}  # fmt: skip


def _axis(plain: Mapping[str, Any]) -> Axis:
    texts, interval = tuple(plain["texts"]), plain["interval"]
    return Axis(
        plain["key"], plain["prefix"], plain["group"], texts, texts, interval and Interval(**interval)
    )


def _machine(plain: Mapping[str, Sequence[Mapping[str, Any]]]) -> detect.Machine:
    return detect.Machine(**{kind: tuple(detect.Device(**one) for one in plain[kind]) for kind in plain})
