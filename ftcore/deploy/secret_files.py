"""Files that their owner alone may read, and secrets from files or the environment."""

import os
from pathlib import Path

from ftcore.config.errors import Problem
from ftcore.runs.files import sync_path


def write(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, mode 600 from its first byte on."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_path(path.parent)


def given(name: str) -> str | Problem:
    """The secret that the environment holds as `name`, or the text of the file that `name`_FILE names.

    Empty where neither is set; a Problem where the file cannot be read.
    """
    if text := os.environ.get(name, "").strip():
        return text
    if not (path := os.environ.get(f"{name}_FILE", "")):
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        return Problem(f"{name}_FILE", f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")
