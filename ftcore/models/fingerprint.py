"""Which base model a run started from."""

import hashlib
from pathlib import Path

from ftcore.config.schema import Model

PATTERNS = ("*.safetensors", "*.bin", "config.json", "tokenizer.json", "tokenizer.model")


def fingerprint(model: Model, cache_dir: Path) -> str | None:
    """sha256 over names and contents of the model's files; None for a hub id that is not on disk.

    Files are read once: the hash of each is kept in the cache with its size and time of change.
    """
    from ftcore.data.fingerprints import fingerprints

    folder = Path(model.path)
    if not folder.is_dir():
        return None
    files = sorted(file for pattern in PATTERNS for file in folder.glob(pattern))
    digest = hashlib.sha256()
    for file in fingerprints(files, cache_dir):
        digest.update(f"{Path(file.path).name} {file.sha256}\n".encode())
    return digest.hexdigest()
