"""Installed packages against the versions ftcore was tested with."""

import platform
import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from ftcore import __version__
from ftcore.doctor.finding import Finding
from ftcore.hardware.software import version

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
SUPPORTED = "3.11 or 3.12"
FROM_VENDOR = ("torch", "torchvision", "deepspeed", "triton", "flash-attn")
"""On a DCU these are the vendor's builds, whatever the lock has."""

BESIDE = ("flash-attn", "triton")
"""Asked for by no lock of ours, and worth a line."""

EXTRAS = ("train",)


def wanted() -> list[Requirement]:
    """What ftcore asks for, the training extra included: as installed, else as in the checkout's
    `pyproject.toml`; empty where neither is there."""
    try:
        lines = metadata.requires("ftcore") or []
    except metadata.PackageNotFoundError:
        if not PYPROJECT.is_file():
            return []
        project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
        lines = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    found = [Requirement(line) for line in lines]
    return [one for one in found if _applies(one)]


def python(running: str | None = None) -> Finding:
    """The interpreter, or the one of version `running`."""
    running = running or platform.python_version()
    minor = tuple(int(part) for part in running.split(".")[:2])
    fits = (3, 11) <= minor < (3, 13)
    remedy = "" if fits else f"make setup PYTHON=..., with Python {SUPPORTED}"
    return Finding("python", "python", "ok" if fits else "missing", running, remedy)


def packages(
    requirements: Sequence[Requirement], needed: Sequence[str], accelerator: str, *, here: bool
) -> Iterator[Finding]:
    """A line for each of `requirements`.

    What is in `needed` (import names) and not there is missing where the ranks run `here`; what is of another
    version than tested is a warning.
    """
    yield Finding("packages", "ftcore", "ok", __version__)
    wanted_names = {name.replace("_", "-") for name in needed}
    rest = {*wanted_names, *BESIDE} - {one.name for one in requirements}
    for one in [*requirements, *map(Requirement, sorted(rest))]:
        yield _package(one, one.name in wanted_names, accelerator, here)


def _package(one: Requirement, needed: bool, accelerator: str, here: bool) -> Finding:
    range_ = str(one.specifier) or "any version"
    vendors = accelerator == "dcu" and one.name in FROM_VENDOR
    there = version(one.name)
    if there is None:
        return _absent(one.name, range_, needed, vendors, here)
    if vendors:
        return Finding(
            "packages", one.name, "ok", f"{there}; on a DCU the vendor decides (elsewhere {range_})"
        )
    if _within(one.specifier, there):
        return Finding("packages", one.name, "ok", f"{there}, wanted {range_}")
    remedy = f"pip install --no-deps '{one.name}{one.specifier}'"
    return Finding("packages", one.name, "warning", f"{there}, tested with {range_}", remedy)


def _absent(name: str, range_: str, needed: bool, vendors: bool, here: bool) -> Finding:
    if not needed:
        return Finding("packages", name, "ok", f"not installed; {range_} where it is used")
    if not here:
        return Finding("packages", name, "ok", "not installed: the nodes have their own (doctor --cluster)")
    remedy = "make setup (docs/installation.md)"
    if vendors:
        remedy = f"the vendor's wheel of {name} (docs/installation.md)"
    return Finding("packages", name, "missing", f"not installed, wanted {range_}", remedy)


def _within(wanted: SpecifierSet, there: str) -> bool:
    try:
        return wanted.contains(Version(there), prereleases=True)
    except InvalidVersion:  # a vendor's own numbering
        return False


def _applies(one: Requirement) -> bool:
    return one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *EXTRAS))
