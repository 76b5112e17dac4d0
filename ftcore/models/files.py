"""What a folder of weights holds, for the record."""

import hashlib
from pathlib import Path
from typing import Any


def artifacts(folder: Path, relative_to: Path) -> list[dict[str, Any]]:
    """Path, sha256 and size in bytes of every file under `folder`."""
    entries = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        path = str(file.relative_to(relative_to))
        entries.append({"path": path, "sha256": digest, "bytes": file.stat().st_size})
    return entries
