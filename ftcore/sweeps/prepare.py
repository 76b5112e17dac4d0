"""Data that many trials share, prepared once before the first of them starts."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.config.compose import load
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from launchers.slurm import LOGS

FEW = 2
"""Trials that have to share data before it is worth a job of its own."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """What the job that goes before an array calls, on one rank."""

    folder: str
    runs: tuple[str, ...]
    """Folders of runs, one for each set of data."""

    def __call__(self) -> None:
        os.chdir(self.folder)
        from ftcore.data.prepare import prepare
        from ftcore.models.gguf import unpack

        for path in self.runs:
            e = load(RunDirectory(Path(path)).config)
            unpack(e.model)
            print(f"{path}: {prepare(e).path}", flush=True)


def shared(runs: Sequence[RunDirectory]) -> list[RunDirectory]:
    """A run for each set of data that several of `runs` train on and that is not in the cache yet."""
    kinds: dict[str, list[RunDirectory]] = {}
    for run in runs:
        # The record is JSON, and reads a hundred times as fast as the YAML beside it.
        kinds.setdefault(kind(record.read(run)["config"]), []).append(run)
    return [members[0] for members in kinds.values() if len(members) >= FEW and not prepared(members[0])]


def prepared(run: RunDirectory) -> bool:
    """Whether the data of `run` is in the cache, as far as that can be told from here."""
    from ftcore.data.errors import DataError
    from ftcore.data.prepare import cache_key, find_prepared

    cache = Path(record.read(run)["config"]["cache_dir"]).expanduser()
    if not (cache / "data").is_dir():
        return False  # nothing at all; the configuration's YAML takes longer to read than the answer
    e = load(run.config)
    if any(source.hub for source in e.data.sources().values()):
        return False
    try:
        return find_prepared(e.cache_dir, cache_key(e)) is not None
    except (DataError, OSError):
        return False  # a model that is yet to be unpacked, or data that is wrong: told where it is read


def kind(config: Mapping[str, Any]) -> str:
    """Equal for configurations that train on the same prepared data."""
    return json.dumps([config[key] for key in ("data", "model", "evaluation", "max_length", "seed")])


def main(arguments: list[str]) -> int:
    """Above the rank of a Slurm job: `LOGS_FOLDER -- srun ...`; here: `FOLDER RUN...`."""
    if "--" in arguments:
        logs, _, *srun = arguments
        return subprocess.call([word.replace(LOGS, logs) for word in srun])
    folder, *runs = arguments
    Prepare(folder, tuple(runs))()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
