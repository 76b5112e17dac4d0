"""Where runs and prepared data lie: room, permission, and whether other nodes see it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ftcore.doctor.finding import Finding

BYTES_PER_GIB = 2**30
ROOM_GIB = 5.0
"""Less than that is worth a word: one adapter with its checkpoints."""

MOUNTS = Path("/proc/self/mounts")
SHARED = (
    "nfs", "nfs4", "lustre", "beegfs", "gpfs", "ceph", "parastor", "panfs", "orangefs", "pvfs2", "cifs",
    "smb3", "glusterfs", "afs", "9p", "virtiofs", "ocfs2", "gfs2", "wekafs",
)  # fmt: skip
"""Filesystem types that several machines mount; those of `fuse.` are counted among them."""


def place(key: str, path: Path, *, queue: bool, node: bool = False) -> Iterator[Finding]:
    """Lines about one of the folders: `queue` where Slurm's nodes have to see it, `node` on such a node,
    which has read its request from there."""
    there = nearest_folder(path)
    free = shutil.disk_usage(there).free / BYTES_PER_GIB
    shown = f"{free:.1f} GiB free at {path}"
    if why := unwritable(there):
        yield Finding("disk", key, "missing", f"cannot write to {there}: {why}", f"another {key}", own=True)
    elif free < ROOM_GIB:
        yield Finding("disk", key, "warning", shown, f"another {key}, or room there", own=True)
    else:
        yield Finding("disk", key, "ok", shown, own=True)
    kind = filesystem(there, MOUNTS.read_text(encoding="utf-8") if MOUNTS.exists() else "")
    if not queue:
        yield Finding("disk", f"{key}: filesystem", "ok", kind)
    elif node or is_shared(kind):
        yield Finding("disk", f"{key}: filesystem", "ok", f"{kind}{', seen by this node' if node else ''}")
    else:
        remedy = f"{key} on a filesystem that every node sees; doctor --cluster tries it"
        yield Finding("disk", f"{key}: filesystem", "warning", f"{kind}: of one machine, by its type", remedy)


def nearest_folder(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    path = path.expanduser().absolute()
    while not path.exists():
        path = path.parent
    return path


def unwritable(folder: Path) -> str:
    """Why no file can be made in `folder`; empty where one can. Leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def filesystem(path: Path, mounts: str) -> str:
    """Type of the filesystem that `path` is on, from the text of `/proc/self/mounts`; `unknown` otherwise."""
    best, kind = "", "unknown"
    for line in mounts.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        point = words[1].encode().decode("unicode_escape")  # a space is written \040
        below = point == "/" or path == Path(point) or Path(point) in path.parents
        if below and len(point) >= len(best):
            best, kind = point, words[2]
    return kind


def is_shared(kind: str) -> bool:
    """Whether several machines usually mount filesystems of this type."""
    return kind in SHARED or kind.startswith("fuse.")
