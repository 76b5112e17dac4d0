"""A configuration file -> its syntax tree, with what mmengine puts into its text put in."""

import ast
import os
import re
import sys
import warnings
from pathlib import Path

from ftcore.config.errors import Problem, RequestError, shortened
from ftcore.config.xtuner.read_refusals import MERGE

MAX_BYTES = 2_000_000
"""The largest file XTuner ships has 16 kB."""

ENVIRONMENT = re.compile(r"\{\{['\"]?\s*\$(\w+)\s*:\s*(\S*?)\s*['\"]?\}\}")
BASE = re.compile(r"\{\{\s*_base_\.[\w.]+\s*\}\}")
"""Both as in mmengine.config.Config."""


def tree_of(path: Path) -> ast.Module:
    """The syntax tree of the file; RequestError, under its name, where it cannot be read as Python."""
    text = _text(path)
    tree = _parsed(path, text)
    if _is_lazy(tree):
        # mmengine leaves the text of a file with imports as it is.
        return tree
    problems = [
        Problem(f"{path.name}:{_line(text, found)}", message)
        for pattern, message in (
            (ENVIRONMENT, "{} is taken from the environment of who reads the file; write the value"),
            (BASE, "{} is taken from a base file, which is not read; " + MERGE),
        )
        for found in pattern.finditer(text)
        for message in [message.format(shortened(found[0], 60))]
    ]
    if problems:
        raise RequestError(problems)
    substituted = _substituted(path, text)
    return tree if substituted == text else _parsed(path, substituted)


def _text(path: Path) -> str:
    key = shortened(str(path))
    try:
        if path.is_dir():
            raise RequestError([Problem(key, "a folder; name the configuration file in it")])
        if not path.is_file():
            raise RequestError([Problem(key, "no such file")])
        if path.suffix != ".py":
            raise RequestError([Problem(key, "an XTuner configuration is a Python file, NAME.py")])
        if path.stat().st_size > MAX_BYTES:
            raise RequestError([Problem(key, f"over {MAX_BYTES // 1_000_000} MB, and no configuration")])
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError([Problem(key, f"cannot be read: {reason}")]) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte {content[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        raise RequestError([Problem(f"{path.name}:{line}", message)]) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RequestError([Problem(f"{path.name}:{line}", "a NUL byte: no text file, or a damaged one")])
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parsed(path: Path, text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            # Compiling runs nothing, and finds what parsing leaves: an argument given twice, a lone `return`.
            compile(tree, path.name, "exec")
            return tree
    except SyntaxError as error:
        where = f": {shortened(error.text.strip(), 100)}" if error.text and error.text.strip() else ""
        if not where and error.lineno and error.lineno <= text.count("\n") + 1:
            where = f": {shortened(text.splitlines()[error.lineno - 1].strip(), 100)}" if text else ""
        key = f"{path.name}:{error.lineno or 1}"
        raise RequestError([Problem(key, f"not Python: {error.msg}{where}")]) from None
    except (RecursionError, MemoryError):
        raise RequestError([Problem(path.name, "nested too deeply to be a configuration")]) from None
    except (ValueError, OverflowError) as error:
        raise RequestError([Problem(path.name, f"not Python: {error}")]) from None


def _is_lazy(tree: ast.Module) -> bool:
    """Whether the file imports from packages: mmengine reads such a file in another way."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With) or (isinstance(node, ast.ImportFrom) and node.level):
            return True
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            config = module == "mmengine" and [alias.name for alias in node.names] == ["Config"]
            if not config and not _is_own(module):
                return True
        elif isinstance(node, ast.Import) and not all(_is_own(alias.name) for alias in node.names):
            return True
    return False


def _is_own(module: str) -> bool:
    return module.startswith("mmengine.config") or module.partition(".")[0] in sys.stdlib_module_names


def _substituted(path: Path, text: str) -> str:
    """`text` with the four names of the file itself in their places."""
    absolute = os.path.abspath(os.path.expanduser(path))
    base = os.path.basename(absolute)
    values = {
        "fileDirname": os.path.dirname(absolute),
        "fileBasename": base,
        "fileBasenameNoExtension": os.path.splitext(base)[0],
        "fileExtname": os.path.splitext(base)[1],
    }
    for name, value in values.items():
        text = re.sub(rf"\{{\{{\s*{name}\s*\}}\}}", lambda _, value=value: value.replace("\\", "/"), text)
    return text


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1
