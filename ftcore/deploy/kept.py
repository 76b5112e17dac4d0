"""A file that somebody else wrote, as it was before it is changed."""

from pathlib import Path

from ftcore.runs.files import write_text
from ftcore.runs.record import now


def keep(file: Path, text: str) -> Path:
    """Write `text`, what `file` holds now, beside it as NAME.TIME.bak, as readable as `file` is; its path."""
    stamp = "".join(character for character in now()[:19] if character.isalnum())
    kept = file.with_name(f"{file.name}.{stamp}.bak")
    write_text(kept, text)
    kept.chmod(file.stat().st_mode)
    return kept
