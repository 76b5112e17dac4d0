"""What a folder of weights holds, for the record."""

import hashlib
from pathlib import Path
from typing import Any

Artifact = dict[str, Any]


def artifacts(folder: Path, relative_to: Path) -> list[Artifact]:
    """Path, sha256 and size in bytes of every file under `folder`."""
    entries = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        path = str(file.relative_to(relative_to))
        entries.append({"path": path, "sha256": digest, "bytes": file.stat().st_size})
    return entries


def replace_artifacts(record: dict[str, Any], found: list[Artifact]) -> None:
    """Put `found` into the record, in place of what it holds for the same folders."""
    folders = {artifact["path"].split("/")[0] for artifact in found}
    kept = [artifact for artifact in record["artifacts"] if artifact["path"].split("/")[0] not in folders]
    record["artifacts"] = kept + found
