"""`conf/` and the choices in it, found without Hydra: help must answer at once."""

from collections.abc import Iterable
from pathlib import Path


def conf_dir() -> Path:
    """`conf/`: beside the package in a source tree, inside it when installed from a wheel."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


def config_groups(folders: Iterable[Path]) -> dict[str, tuple[str, ...]]:
    """Group -> choices under `folders`; names that begin with `_` are parts of others, not for people."""
    groups: dict[str, set[str]] = {}
    for folder in folders:
        for file in folder.glob("*/*.yaml"):
            groups.setdefault(file.parent.name, set()).add(file.stem)
    return {
        group: tuple(sorted(name for name in names if not name.startswith("_")))
        for group, names in sorted(groups.items())
    }
