"""Data that many trials share, prepared once before the first of them starts."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.config.compose import load, to_yaml
from ftcore.config.schema.search import Asynchronous
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_text
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.request import Sweep
from launchers.slurm import LOGS

FEW = 2
"""Trials that have to share data before it is worth a job of its own."""

FOLDER = "data"
"""Of a search's directory: a configuration for each set of data that its trials may share."""

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Prepare:
    """What the job that goes before an array calls, on one rank."""

    folder: str
    configs: tuple[str, ...]
    """Configurations, one for each set of data."""

    def __call__(self) -> None:
        os.chdir(self.folder)
        from ftcore.data.prepare import prepare
        from ftcore.models.gguf import unpack

        for path in self.configs:
            e = load(Path(path))
            unpack(e.model)
            print(f"{path}: {prepare(e).path}", flush=True)


def shared(runs: Sequence[RunDirectory]) -> list[Path]:
    """A configuration for each set of data that several of `runs` train on and that is not in the cache."""
    kinds: dict[str, list[tuple[Path, str]]] = {}
    for run in runs:
        # The record is JSON, and reads a hundred times as fast as the YAML beside it.
        config = record.read(run)["config"]
        kinds.setdefault(kind(config), []).append((run.config, config["cache_dir"]))
    return [some[0][0] for some in kinds.values() if len(some) >= FEW and not prepared(*some[0])]


def keep(sweep: SweepDirectory, asked: Sweep, search: Asynchronous) -> None:
    """Write down the sets of data that trials of a search will share, which has no trials yet.

    Each value of an axis that has a say in the data makes a set; where an interval has, hardly two trials
    share any.
    """
    kinds: dict[str, str] = {}
    for trial in asked.trials:
        e = trial.composed.experiment
        if (own := kind(e.model_dump(mode="json"))) in kinds:
            continue
        words = zip(asked.axes, asked.trials[0].point, trial.point, strict=True)
        if any(axis.interval and first != word for axis, first, word in words):
            return
        kinds[own] = to_yaml(e)
    if search.trials < FEW * len(kinds):
        return
    (sweep.path / FOLDER).mkdir()
    for number, text in enumerate(kinds.values()):
        write_text(sweep.path / FOLDER / f"{number:03d}.yaml", text)


def kept(sweep: SweepDirectory) -> list[Path]:
    """Of those that `keep` wrote, the ones that are not in the cache yet."""
    return [path for path in sorted((sweep.path / FOLDER).glob("*.yaml")) if not prepared(path)]


def prepared(config: Path, cache_dir: str | None = None) -> bool:
    """Whether the data of a configuration is in the cache, as far as that can be told from here; `cache_dir`
    is the configuration's, where that is known."""
    from ftcore.data.errors import DataError
    from ftcore.data.prepare import cache_key, find_prepared

    if cache_dir is not None and not (Path(cache_dir).expanduser() / "data").is_dir():
        return False  # nothing at all; the configuration's YAML takes longer to read than the answer
    e = load(config)
    if any(source.hub for source in e.data.sources().values()):
        return False
    try:
        return find_prepared(e.cache_dir, cache_key(e)) is not None
    except (DataError, OSError):
        return False  # a model that is yet to be unpacked, or data that is wrong: told where it is read


def kind(config: Mapping[str, Any]) -> str:
    """Equal for configurations that train on the same prepared data."""
    return json.dumps([config[key] for key in ("data", "model", "evaluation", "max_length", "seed")])


def here(folder: Path, configs: Sequence[Path], stopping: Callable[[], bool]) -> None:
    """Prepare on this machine, in a process of its own, which ends where a stop is asked for. What is wrong
    with the data is told by each trial that needs it."""
    words = [sys.executable, "-m", "ftcore.sweeps.prepare", str(folder.absolute())]
    words += [str(path.absolute()) for path in configs]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if stopping():
                process.terminate()
            time.sleep(POLL_SECONDS)


def main(arguments: list[str]) -> int:
    """Above the rank of a Slurm job: `LOGS_FOLDER -- srun ...`; here: `FOLDER CONFIG...`."""
    if "--" in arguments:
        logs, _, *srun = arguments
        return subprocess.call([word.replace(LOGS, logs) for word in srun])
    folder, *configs = arguments
    Prepare(folder, tuple(configs))()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
