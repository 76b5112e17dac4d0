"""Disks that take no more."""

import errno
import os
import tempfile
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
PROBE_BYTES = 2**20


def is_full(error: BaseException) -> bool:
    """Whether a write failed for want of room, on the disk or in the user's quota."""
    return isinstance(error, OSError) and error.errno in FULL


def full(folder: Path) -> str | None:
    """What the system says (`No space left on device`) where `folder` takes not even a MiB more, else None.

    Found out by writing: torch's own errors do not tell, and what a disk has free says nothing of quotas.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror if is_full(error) else None
    return None
