"""Which entries of a cache no run goes on with. All can be made again; the memo of hashes stays."""

import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from ftcore.config.groups import conf_dir
from ftcore.data.cache import read_manifest
from ftcore.gc.candidate import Candidate, size
from ftcore.gc.leftovers import QUIET_SECONDS, last_change
from ftcore.gc.survey import Known, within

KEY = re.compile(r"^[0-9a-f]{64}$")
SOURCE = ".tar.gz"


def candidates(cache: Path, known: list[Known]) -> Iterator[Candidate]:
    """What of `cache` no run needs, nor anybody has touched for an hour."""
    for kind, path, why in unused(cache, known):
        changed = last_change(path)
        if changed is not None and time.time() - changed >= QUIET_SECONDS:
            yield Candidate(kind, path, size(path), why, changed)


def unused(cache: Path, known: list[Known]) -> Iterator[tuple[str, Path, str]]:
    """Kind, path and why, of what no run needs."""
    wanted = _keys(known)
    if not any(one.open and one.cache == cache and _key(one) is None for one in known):
        for path in _entries(cache / "data"):
            if path.name not in wanted:
                yield "data", path, "prepared data that no unfinished run goes on with"
        converted = {key for name in wanted for key in _converted(cache / "data" / name)}
        for path in _entries(cache / "messages"):
            if path.name not in converted:
                yield "data", path, "converted rows of data that no unfinished run goes on with"
    for name in sorted(_unpacked()):
        path = cache / "models" / name
        if path.is_dir() and not _is_pointed_at(path, known):
            yield "models", path, "an unpacked base model that no run names; it is unpacked again when needed"
    for path in _old_sources(cache / "sources"):
        yield "sources", path, "an earlier state of the program; runs have their own copies"


def still_unused(candidate: Candidate, cache: Path, known: list[Known]) -> bool:
    """Whether the candidate would be found again. Its path may have been renamed meanwhile."""
    if candidate.kind == "sources":
        return True
    if candidate.kind == "models":
        return not _is_pointed_at(candidate.path, known)
    starting = any(one.open and one.cache == cache and _key(one) is None for one in known)
    wanted = _keys(known)
    if candidate.path.parent.name == "messages":
        wanted = {key for name in wanted for key in _converted(cache / "data" / name)}
    return not starting and candidate.path.name not in wanted


def _keys(known: Iterable[Known]) -> set[str]:
    """Keys of the data that runs go on with when they are resumed, wherever their caches lie."""
    return {key for one in known if not one.done and (key := _key(one))}


def _key(one: Known) -> str | None:
    """None of a run that has not prepared its data yet, and may be about to use any entry."""
    return one.entry["data"].get("cache_key")


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if KEY.match(path.name) and not path.is_symlink())


def _converted(entry: Path) -> list[str]:
    manifest = read_manifest(entry) or {}
    return [part["messages_key"] for part in manifest.get("parts", ()) if part.get("messages_key")]


def _is_pointed_at(path: Path, known: Iterable[Known]) -> bool:
    """A finished run counts too: its adapter is of no use without its base model."""
    return any(within(text, str(path)) for one in known for text in one.points_at)


def _unpacked() -> set[str]:
    """Names of models that ftcore can unpack again. Others in that folder, somebody put there."""
    names = set()
    for file in (conf_dir() / "model").glob("*.yaml"):
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        path = str(settings.get("path"))
        if settings.get("gguf") and path.startswith("${cache_dir}/models/"):
            names.add(path.rpartition("/")[2])
    return names


def _old_sources(folder: Path) -> list[Path]:
    """All but the newest, which the next run most likely links to."""
    found = [path for path in folder.glob(f"*{SOURCE}") if not path.name.startswith(".")]
    return sorted(found, key=lambda path: path.stat().st_mtime)[:-1]
