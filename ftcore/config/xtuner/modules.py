"""Whether what a configuration file imports exists, found out from files: nothing is imported."""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from ftcore.config.errors import nearest

# fmt: off
TRAINING = frozenset({
    "accelerate", "apex", "bitsandbytes", "datasets", "deepspeed", "einops", "evaluate",
    "flash_attn", "huggingface_hub", "lmdeploy", "mmengine", "modelscope", "numpy", "openmind",
    "openmind_hub", "pandas", "peft", "scipy", "sentencepiece", "tiktoken", "tokenizers", "torch",
    "torch_npu", "torchaudio", "torchvision", "transformers", "triton", "trl", "vllm", "xformers",
    "xtuner",
})
# fmt: on
"""Packages of a training environment, by their top-level name: they may be absent where a file is read."""

NAMED = frozenset({"mmengine", "xtuner"})
"""Packages whose modules are searched for the names that they define; others make theirs while they load."""

Fault = tuple[str, str]
"""What is wrong with an import, and the nearest right name or nothing."""


def fault(module: str, name: str, folder: Path) -> Fault | None:
    """What is wrong with `from module import name` in a file of `folder`; `import module` without a name.

    None where it is right, or where that cannot be told without importing.
    """
    top, *inner = module.split(".")
    if top in sys.stdlib_module_names:
        return None
    if top not in TRAINING and ((folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file()):
        return (
            f"{top} lies beside this file and is code: make it an installed package (pip install -e), "
            "or write out the values it has",
            "",
        )
    locations = _locations(top)
    if locations is None:
        if top in TRAINING:
            return None
        return (
            f"no package {top!r} is installed; install it where this file is read, or correct the name",
            _near(top),
        )
    return _inner_fault(top, inner, name, locations)


def attribute_fault(module: str, name: str) -> Fault | None:
    """What is wrong with `module.name`, where `module` was imported whole."""
    return fault(module, name, Path()) if module.partition(".")[0] in NAMED else None


def is_module(path: str) -> bool:
    """Whether the dotted `path` is a file or a folder of one of the packages NAMED."""
    top, *inner = path.split(".")
    locations = _locations(top) if top in NAMED else None
    return locations is not None and _find(inner, locations)[1] == len(inner)


def _near(top: str) -> str:
    return nearest(top, sorted(TRAINING))


def _inner_fault(top: str, inner: list[str], name: str, locations: tuple[Path, ...]) -> Fault | None:
    places, found = _find(inner, locations)
    if found < len(inner):
        parent, missing = ".".join([top, *inner[:found]]), inner[found]
        if top not in NAMED and _mentions(places, missing):
            return None
        near = nearest(missing, _children(places))
        return f"the package {parent} has no module {missing!r}", f"{parent}.{near}" if near else ""
    if not name or top not in NAMED:
        return None
    names = _names(places)
    if names is None or name in names or name in _children(places):
        return None
    return f"{'.'.join([top, *inner])} has no {name!r}", nearest(name, sorted(names))


@cache
def _locations(top: str) -> tuple[Path, ...] | None:
    """The folders of an installed package, none for a module of one file; None where there is no such."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    folders = tuple(Path(folder) for folder in spec.submodule_search_locations or ())
    # Any folder of the current directory would pass for a package without __init__.py.
    if spec.origin is None and not any({"site-packages", "dist-packages"} & set(f.parts) for f in folders):
        return None
    return folders


def _find(parts: list[str], locations: tuple[Path, ...]) -> tuple[tuple[Path, ...], int]:
    """The folders (or the file) reached by following `parts`, and how many of them led somewhere."""
    places = locations
    for found, part in enumerate(parts):
        children = _children(places)
        if part not in children:
            return places, found
        places = (children[part],)
    return places, len(parts)


def _children(places: tuple[Path, ...]) -> dict[str, Path]:
    """The modules in `places`, by name: a folder, or a file of Python or of machine code."""
    return {name: path for place in places for name, path in _listed(place).items()}


@cache
def _listed(place: Path) -> dict[str, Path]:
    if not place.is_dir():
        return {}
    listed = {}
    for path in sorted(place.iterdir()):
        for suffix in (".py", ".pyi", *EXTENSION_SUFFIXES):
            if path.name.endswith(suffix) and path.name != f"__init__{suffix}":
                listed[path.name.removesuffix(suffix)] = path
    listed |= {path.name: path for path in place.iterdir() if path.is_dir() and path.name.isidentifier()}
    return listed


def _mentions(places: tuple[Path, ...], word: str) -> bool:
    """Whether a package's own code speaks of `word`: it may make that module while it loads."""
    sources = [place / "__init__.py" if place.is_dir() else place for place in places]
    readable = [path for path in sources if path.suffix == ".py" and path.is_file()]
    texts = [path.read_text("utf-8", "replace") for path in readable]
    return not texts or any(re.search(rf"\b{re.escape(word)}\b", text) for text in texts)


def _names(places: tuple[Path, ...]) -> frozenset[str] | None:
    """The names defined in a module of one place; None where they cannot be told."""
    source = places[0] / "__init__.py" if places and places[0].is_dir() else (*places, Path())[0]
    return _defined(source) if len(places) == 1 and source.is_file() and source.suffix == ".py" else None


@cache
def _defined(source: Path) -> frozenset[str] | None:
    names: set[str] = set()
    waiting, seen = [source], set()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        try:
            tree = ast.parse(file.read_text("utf-8"))
        except (OSError, SyntaxError, ValueError):
            return None
        for node in _of_module(tree.body):
            bound = _bound(node)
            if bound is None:
                star = _relative(file, node)
                if star is None:
                    return None
                waiting.append(star)
            names.update(bound or ())
    # A module that answers for names as they are asked for, or fills in its own, may have any.
    return None if {"__getattr__", "globals"} & names else frozenset(names)


def _of_module(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module loads, in branches and loops too."""
    for node in body:
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for inner in ("body", "orelse", "finalbody"):
                yield from _of_module(getattr(node, inner, []))
            for handler in getattr(node, "handlers", []):
                yield from _of_module(handler.body)


def _bound(node: ast.stmt) -> set[str] | None:
    """The names that a statement defines or lists; None for `import *`."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        imported = {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        return None if "*" in imported else imported
    parts = list(ast.walk(node))
    names = [part for part in parts if isinstance(part, ast.Name)]
    stored = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    used = {name.id for name in names} - stored
    listed = set()
    if "__all__" in stored:
        constants = (part.value for part in parts if isinstance(part, ast.Constant))
        listed = {constant for constant in constants if isinstance(constant, str)}
    return stored | listed | (used & {"globals"})


def _relative(file: Path, node: ast.stmt) -> Path | None:
    """The file that `from .x import *` in `file` reads; None where it is not one of the same package."""
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return None
    folder = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
    candidates = (folder.parent / f"{folder.name}.py", folder / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)
