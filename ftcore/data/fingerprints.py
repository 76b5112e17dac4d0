"""Hashes of files, remembered by what `stat` says of them, so that unchanged sources are not read twice."""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ftcore.data.errors import DataError

SETTLED_NS = 2_000_000_000
"""A file changed less than this ago is not remembered: it could change again under the same time stamp."""

ENTRIES_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """sha256 in hex and size in bytes of one file."""

    path: str
    sha256: str
    bytes: int


def fingerprints(files: Iterable[Path], cache_dir: Path) -> list[Fingerprint]:
    """The fingerprint of each file, in order, memoised in `<cache_dir>/fingerprints.json`.

    DataError for a file that cannot be read.
    """
    memo_path = Path(cache_dir) / "fingerprints.json"
    memo = _load(memo_path)
    learned: dict[str, list] = {}
    found = []
    for file in files:
        path = os.path.abspath(file)
        try:
            stamp = _stamp(path)
            known = memo.get(path)
            if known and known[:3] == stamp:
                digest = known[3]
            else:
                digest = sha256_of(path)
                if _stamp(path) != stamp:
                    raise DataError(f"{file}: changed while it was read")
                if time.time_ns() - stamp[1] > SETTLED_NS:
                    learned[path] = [*stamp, digest]
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from error
        found.append(Fingerprint(str(file), digest, stamp[0]))
    if learned:
        _merge(memo_path, learned)
    return found


def remembered(file: Path, cache_dir: Path) -> bool:
    """Whether the file's fingerprint is known without reading it."""
    path = os.path.abspath(file)
    known = _load(Path(cache_dir) / "fingerprints.json").get(path)
    return known is not None and known[:3] == _stamp(path)


def sha256_of(path: str | Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: str) -> list[int]:
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _load(path: Path) -> dict[str, list]:
    try:
        memo = json.loads(path.read_text(encoding="utf-8"))
        return {key: value for key, value in memo.items() if isinstance(value, list) and len(value) == 4}
    except (OSError, ValueError, AttributeError):
        # Only a memo: without it the files are hashed again.
        return {}


def _merge(path: Path, learned: dict[str, list]) -> None:
    # Two processes may write at once; each keeps what it sees of the other, and a lost entry costs one read.
    memo = _load(path) | learned
    newest = dict(list(memo.items())[-ENTRIES_KEPT:])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    temporary.write_text(json.dumps(newest), encoding="utf-8")
    os.replace(temporary, path)
