"""Installed packages that decide whether a job can train, read from their files without importing them.

A DCU's torch, deepspeed and flash-attn are the vendor's builds; an ordinary `pip install` beside them takes
torch's place with a build for CUDA, which starts, sees no card, and is found out hours later in a queue.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.version import InvalidVersion, Version

from ftcore.config.errors import Problem
from ftcore.config.schema import Experiment

VENDOR_MARKS = ("+das", ".das", "dtk")
"""In a torch version: Hygon's build."""

DEEPSPEED_FROM = Version("0.13.2")
"""mmengine 0.10.7's strategy refuses `exclude_frozen_parameters` before it, and ftcore's checkpoints name it
too: DAS deepspeed 0.12.3 would fail when training begins."""

ONEBIT = "runtime/fp16/onebit"
"""A folder of deepspeed that mmengine 0.10.7 imports from; 0.19.8 is without it, 0.19.0 has it."""

KEEP_VENDORS = "install ftcore with --no-deps and a constraints file (docs/installation.md)"


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """A torch installation as its `version.py` describes it."""

    version: str
    cuda: str | None = None
    hip: str | None = None

    @property
    def kind(self) -> str:
        """`dcu` for Hygon's build and any other for HIP, `cuda`, or `cpu`."""
        if self.hip or any(mark in self.version.lower() for mark in VENDOR_MARKS):
            return "dcu"
        return "cuda" if self.cuda else "cpu"

    def __str__(self) -> str:
        made_for = [f"{name} {of}" for name, of in (("HIP", self.hip), ("CUDA", self.cuda)) if of]
        return f"{self.version} ({', '.join(made_for) or self.kind.upper()})"


@dataclass(frozen=True, slots=True)
class Software:
    """What one interpreter would import."""

    torch: TorchBuild | None
    versions: dict[str, str] = field(default_factory=dict)
    """Of `deepspeed`, `flash_attn` and others of LOOKED_AT that are there."""

    deepspeed_onebit: bool = True


LOOKED_AT = ("deepspeed", "flash_attn", "mmengine")


def this_interpreter() -> Software:
    """What is installed for the interpreter that runs this."""
    build = torch_build(folder("torch"))
    versions = {name: version(name) or "unknown" for name in LOOKED_AT if folder(name) is not None}
    deepspeed = folder("deepspeed")
    return Software(build, versions, deepspeed is None or (deepspeed / ONEBIT).is_dir())


def torch_build(package: Path | None) -> TorchBuild | None:
    """The build in torch's folder, from the text of its `version.py`; None where there is none."""
    if package is None:
        return None
    known: dict[str, str | None] = {}
    try:
        tree = ast.parse((package / "version.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        tree = ast.Module([], [])
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                known[target.id] = value.value if value.value is None else str(value.value)
    said = known.get("__version__") or version("torch") or "unknown"
    return TorchBuild(said, known.get("cuda"), known.get("hip"))


def version(name: str) -> str | None:
    """Installed version of a distribution; None where there is no such."""
    try:
        return metadata.version(name.replace("_", "-"))
    except metadata.PackageNotFoundError:
        return None


def folder(package: str) -> Path | None:
    """Folder of a top-level package, found without importing it."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # made to look absent (`ftcore.compat.leave_out`)
        return None
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def ranks_use_this_interpreter(e: Experiment) -> bool:
    """Whether what is installed here is what the ranks will import, as far as the configuration tells.

    A named interpreter, a container, or a PYTHONPATH of the ranks' own is out of sight from a login node.
    """
    if e.cluster.kind == "local":
        return True
    env = e.cluster.rank_env | e.hardware.env
    elsewhere = e.cluster.python or e.cluster.prefix or "PYTHONPATH" in env
    return not elsewhere and not any("PYTHONPATH" in line for line in e.cluster.setup)


def unfit(e: Experiment, there: Software) -> Iterator[Problem]:
    """Why the software of the ranks' interpreter cannot train `e`; nothing is said of what is not there at
    all, which may be a login node's way."""
    if there.torch is None:
        return
    yield from _torch(e, there.torch)
    if e.parallelism.strategy == "deepspeed" and "deepspeed" in there.versions:
        yield from _deepspeed(there)
    if e.model.attention == "flash_attention_2" and "flash_attn" not in there.versions:
        yield Problem(
            "model.attention",
            "flash_attention_2 needs flash-attn, which is not installed for the ranks",
            "sdpa, which packs without it, or the vendor's flash-attn"
            if e.hardware.accelerator == "dcu" else "sdpa, which packs without it, or flash-attn",
        )  # fmt: skip


def _torch(e: Experiment, build: TorchBuild) -> Iterator[Problem]:
    kind = e.hardware.accelerator
    if kind == "cpu" or build.kind == kind:
        return
    if kind == "dcu":
        remedy = f"the vendor's torch (+das, dtk) again, then {KEEP_VENDORS}"
        message = f"torch {build} is no build for DCUs: the vendor's was replaced, or never there"
    else:
        remedy = "torch from requirements.lock (make setup)"
        message = f"torch {build} is no build for CUDA"
    if e.cluster.kind != "local":
        remedy += f"; if the nodes have another python than {sys.executable}, name it: cluster.python=..."
    yield Problem("installation", message, remedy)


def _deepspeed(there: Software) -> Iterator[Problem]:
    said = there.versions["deepspeed"]
    try:
        old = Version(said) < DEEPSPEED_FROM
    except InvalidVersion:
        old = False  # a vendor's own numbering tells nothing
    way_out = "parallelism=ddp, or deepspeed 0.13.2 to 0.19.0"
    if old:
        message = f"deepspeed {said} cannot leave frozen weights out of a checkpoint, as mmengine is asked to"
        yield Problem("parallelism", message, way_out)
    if not there.deepspeed_onebit:
        message = f"deepspeed {said} has no {ONEBIT.replace('/', '.')}, which mmengine imports"
        yield Problem("parallelism", message, way_out)
