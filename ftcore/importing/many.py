"""Many configuration files at once: imported, written, composed again and compared, on every core."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ftcore.config.errors import RequestError
from ftcore.importing.convert import convert
from ftcore.importing.write import check, write

EQUAL, DIFFERENT, REFUSED = "equal", "different", "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    file: str
    state: str
    """equal, different or refused."""

    passthrough: tuple[str, ...] = ()
    """Paths of the settings that no typed key has."""

    details: tuple[str, ...] = ()
    """What differs, or why it was refused."""


def import_many(
    files: Sequence[Path],
    folder: Path | None,
    deepspeed: str | None,
    done: Callable[[], None],
    replace: bool = False,
) -> list[Outcome]:
    """The outcome of each file, in order; presets stay in `folder`, or nowhere where it is None.

    Presets of other content that are in `folder` already stay too, unless `replace`.
    """
    with tempfile.TemporaryDirectory(prefix="ftcore-import-") as nowhere:
        work = partial(import_one, folder=folder or Path(nowhere), deepspeed=deepspeed, replace=replace)
        outcomes = []
        for outcome in _each(work, _named(files)):
            outcomes.append(outcome)
            done()
    return outcomes


def import_one(named: tuple[Path, str], folder: Path, deepspeed: str | None, replace: bool) -> Outcome:
    """One file imported under its name, written and compared."""
    file, name = named
    try:
        imported = convert(file, name, deepspeed)
        write(imported, folder, replace)
        left = check(imported, folder)
    except RequestError as error:
        return Outcome(str(file), REFUSED, details=tuple(str(problem) for problem in error.problems))
    passed = tuple(difference.path for difference in imported.passthrough)
    details = tuple(f"{one.path}: {one.first!r} in the file, {one.second!r} rebuilt" for one in left)
    return Outcome(str(file), DIFFERENT if left else EQUAL, passed, details)


def _named(files: Sequence[Path]) -> list[tuple[Path, str]]:
    """Each file with the name of its preset: its own, after as many of its folders as tell it apart."""
    names = [file.stem for file in files]
    for depth in range(1, max((len(file.parts) for file in files), default=1)):
        shared = {name for name, count in Counter(names).items() if count > 1}
        names = [
            f"{file.parts[-1 - depth]}-{name}" if name in shared and depth < len(file.parts) else name
            for file, name in zip(files, names, strict=True)
        ]
    return list(zip(files, names, strict=True))


def _each(
    work: Callable[[tuple[Path, str]], Outcome], files: Sequence[tuple[Path, str]]
) -> Iterator[Outcome]:
    cores = len(os.sched_getaffinity(0))
    if cores == 1 or len(files) < 8:
        yield from map(work, files)
        return
    with ProcessPoolExecutor(cores) as pool:
        yield from pool.map(work, files, chunksize=4)
