"""Two runs or more, by their records: what differs, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.config.nested import flat
from ftcore.runs import attempt_files, metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.environment import lasting
from ftcore.runs.files import read_json

Row = list[Any]
"""One value a run, in their order; ABSENT where a run has none."""

ABSENT = None

Differences = dict[str, dict[str, Row]]
"""Section -> dotted key -> values."""

PLACES = ("runs_dir", "cache_dir")
"""Configuration keys that say where a run lies, and no more."""

CODE = ("commit", "dirty", "diff_sha256", "source_sha256", "version")


def differences(runs: Sequence[RunDirectory]) -> Differences:
    """What differs between `runs`, by section: config, code, environment, machine, data, model, results."""
    entries = [record.read(run) for run in runs]
    sections = {
        "config": [_config(entry) for entry in entries],
        "code": [{key: entry["code"].get(key) for key in CODE} for entry in entries],
        "environment": [_environment(run, entry) for run, entry in zip(runs, entries, strict=True)],
        "machine": [_machine(entry) for entry in entries],
        "data": [_data(entry) for entry in entries],
        "model": [{"sha256": entry["model"].get("sha256")} for entry in entries],
        "results": [_results(run, entry) for run, entry in zip(runs, entries, strict=True)],
    }
    found = {name: differing(each) for name, each in sections.items()}
    return {name: rows for name, rows in found.items() if rows}


def differing(each: Sequence[Mapping[str, Any]]) -> dict[str, Row]:
    """The keys whose values are not all equal, in the order in which they are first met."""
    keys = dict.fromkeys(key for one in each for key in one)
    rows = {key: [one.get(key, ABSENT) for one in each] for key in keys}
    return {key: row for key, row in rows.items() if any(value != row[0] for value in row[1:])}


def first_difference(first: Sequence[Mapping], second: Sequence[Mapping], key: str = "loss") -> int | None:
    """The first step at which two runs' metrics do not have the same `key`; None where they agree as far
    as both go."""
    theirs = {line["step"]: line.get(key) for line in second}
    steps = (
        line["step"] for line in first if line["step"] in theirs and line.get(key) != theirs[line["step"]]
    )
    return min(steps, default=None)


def _config(entry: Mapping[str, Any]) -> dict[str, Any]:
    config = entry["config"]
    places = [str(config[name]) for name in PLACES if name in config]
    return {key: _placeless(value, places) for key, value in flat(config).items() if key not in PLACES}


def _placeless(value: Any, places: Sequence[str]) -> Any:
    """A path below the run's folders, without them."""
    for place in sorted(places, key=len, reverse=True):
        if isinstance(value, str) and value.startswith(f"{place}/"):
            return value.removeprefix(f"{place}/")
    return value


def _environment(run: RunDirectory, entry: Mapping[str, Any]) -> dict[str, Any]:
    told = entry["environment"]
    known = {"python": told.get("python"), "platform": told.get("platform")}
    known |= {f"packages.{name}": version for name, version in installed(run, entry).items()}
    variables = {}
    if entry["attempts"]:
        folder = run.attempt(entry["attempts"][-1]["number"])
        variables = read_json(folder / attempt_files.ENVIRONMENT) or {}
    return known | {f"env.{name}": value for name, value in lasting(variables).items()}


def installed(run: RunDirectory, entry: Mapping[str, Any]) -> dict[str, str]:
    """Every package that was installed, with its version; those of the record where the list is gone."""
    try:
        lines = (run.path / "environment.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return dict(entry["environment"].get("packages", {}))
    return {name: version for name, _, version in (line.partition("==") for line in lines) if version}


def _machine(entry: Mapping[str, Any]) -> dict[str, Any]:
    attempts = entry["attempts"]
    machines = attempts[-1].get("machines", {}) if attempts else {}
    known = {f"hardware.{key}": value for key, value in entry["hardware"].items()}
    known["nodes"] = entry["launch"]["nodes"]
    for index, facts in enumerate(machines.values()):
        known |= {f"node{index}.{key}": value for key, value in flat(facts).items() if key != "host"}
    return known


def _data(entry: Mapping[str, Any]) -> dict[str, Any]:
    data = entry["data"]
    known = {key: value for key, value in data.items() if key not in ("sources", "prepared")}
    for source in data.get("sources") or ():
        known[f"source.{str(source['path']).rsplit('/', 1)[-1]}"] = source["sha256"]
    return known


def _results(run: RunDirectory, entry: Mapping[str, Any]) -> dict[str, Any]:
    known = {"state": entry["state"], **flat(entry["results"])}
    known |= {f"artifact.{one['path']}": one["sha256"] for one in entry["artifacts"]}
    lines = metrics.read(run.metrics)
    return known | {"steps_written": len(lines)}
