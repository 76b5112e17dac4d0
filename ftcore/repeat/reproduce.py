"""Another run of a recorded experiment: what no longer matches, and its run directory."""

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ftcore.config import plain_yaml
from ftcore.config.compose import load
from ftcore.config.errors import RequestError
from ftcore.config.schema import Experiment
from ftcore.hardware.detect import this_machine
from ftcore.repeat.compare import installed
from ftcore.runs import record, snapshot
from ftcore.runs.directory import RunDirectory, make
from ftcore.runs.files import link_or_copy, write_json, write_text

SITE = "site-packages"
KEPT = ("overrides.yaml", "xtuner_config.py", "deepspeed.json", "plan.json", "code")
"""Copied from one run to its repetition."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that is not as it was."""

    what: str
    then: str
    now: str
    decides: bool
    """Whether the numbers cannot come out the same: other data, another model. Others may or may not."""

    def __str__(self) -> str:
        return f"{self.what}: {self.now}, and {self.then} then"


def repeat(original: RunDirectory, runs_dir: Path, command: str) -> RunDirectory:
    """A complete run directory under `runs_dir` with the program and configuration of `original`."""
    entry = record.read(original)
    run = make(runs_dir, original.name)
    config = moved(plain_yaml.load(original.config), str(runs_dir))
    write_text(run.config, plain_yaml.dump(config))
    for name in KEPT:
        source = original.path / name
        if source.is_dir():
            shutil.copytree(source, run.path / name, copy_function=link_or_copy, ignore=_unpacked)
        elif source.exists():
            shutil.copyfile(source, run.path / name)
    write_json(run.record, _record(entry, run, config, command))
    return run


def moved(config: dict[str, Any], runs_dir: str) -> dict[str, Any]:
    """`config` with its runs folder, and what lies below it, in another place."""
    old = str(config["runs_dir"])

    def place(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: place(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [place(inner) for inner in value]
        below = isinstance(value, str) and (value == old or value.startswith(f"{old}/"))
        return runs_dir + value.removeprefix(old) if below else value

    return place(config)


def _record(entry: record.Record, run: RunDirectory, config: dict[str, Any], command: str) -> record.Record:
    """A fresh record of the same experiment."""
    fresh = {"rows": None, "sha256": None, "cache_key": None}
    return {
        **entry,
        "id": run.id,
        "sweep": None,
        "reproduces": entry["id"],
        "tags": [],
        "note": "",
        "created": record.now(),
        "state": "created",
        "command": command,
        "config": config,
        "environment": snapshot.environment(run.path),
        "hardware": entry["hardware"] | {"hostname": os.uname().nodename},
        "data": {"source": entry["data"]["source"]} | fresh,
        "model": entry["model"] | {"path": config["model"]["path"], "sha256": None},
        "launch": entry["launch"] | {"job_id": None, "then": None, "folder": os.getcwd()},
        "attempts": [],
        "stages": [],
        "results": {"predicted": expected} if (expected := entry["results"].get("predicted")) else {},
        "artifacts": [],
        "error": None,
    }


def mismatches(original: RunDirectory, runs_dir: Path) -> list[Mismatch]:
    """What of model, data, environment and machine is not as the record has it, as far as it can be seen
    from here."""
    entry = record.read(original)
    found = list(_environment(original, entry))
    try:
        e = load(original.config)
    except RequestError:
        return found  # of another version, whose own program knows better
    return [*_inputs(entry, _experiment(e, runs_dir)), *_machine(e), *found]


def _experiment(e: Experiment, runs_dir: Path) -> Experiment:
    return Experiment.model_validate(moved(e.model_dump(mode="json"), str(runs_dir)))


def _inputs(entry: record.Record, e: Experiment) -> Iterator[Mismatch]:
    from ftcore.data.errors import DataError
    from ftcore.data.fingerprints import fingerprints
    from ftcore.models.fingerprint import fingerprint

    cache = Path(e.cache_dir)
    for source in entry["data"].get("sources") or ():
        if source.get("hub"):
            continue  # fetched when it is prepared
        path = here(Path(source["path"]))
        try:
            now = fingerprints([path], cache)[0].sha256
        except DataError:
            now = "not there"
        if now != source["sha256"]:
            yield Mismatch(f"data {path}", source["sha256"][:12], now[:12], decides=True)
    then, now = entry["model"].get("sha256"), fingerprint(e.model, cache)
    if then and now and then != now:
        yield Mismatch(f"model {e.model.path}", then[:12], now[:12], decides=True)
    elif then and now is None and e.model.gguf is None and Path(e.model.path).is_absolute():
        yield Mismatch(f"model {e.model.path}", then[:12], "not there", decides=True)


def here(path: Path) -> Path:
    """A file of an installed package, recorded in another installation, as this one has it; any other path
    as it is."""
    if SITE not in path.parts:
        return path
    package, *inside = path.parts[path.parts.index(SITE) + 1 :]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return path
    return Path(spec.submodule_search_locations[0]).joinpath(*inside)


def _environment(run: RunDirectory, entry: record.Record) -> Iterator[Mismatch]:
    then = entry["environment"].get("python")
    if then and then != platform.python_version():
        yield Mismatch("Python", then, platform.python_version(), decides=False)
    now = {d.name: d.version for d in metadata.distributions()}
    for name, version in installed(run, entry).items():
        if name != "ftcore" and now.get(name) != version:
            yield Mismatch(name, version, now.get(name, "not installed"), decides=False)


def _machine(e: Experiment) -> Iterator[Mismatch]:
    kind = e.hardware.accelerator
    if kind == "cpu" or e.cluster.kind != "local":
        return
    cards = sorted({device.card for device in this_machine().devices(kind)})
    if cards != [e.hardware.card]:
        yield Mismatch("card", e.hardware.card, ", ".join(cards) or "none", decides=False)


def _unpacked(folder: str, names: list[str]) -> list[str]:
    """What a copy of `code/` leaves out: it is made again of the archive where it is needed."""
    return ["src"] if Path(folder).name == "code" and "source.tar.gz" in names else []
