"""An mmengine / XTuner configuration file -> its settings. Nothing in it is executed, and nothing imported.

The file is parsed, and a small closed language is worked out in Python's own arithmetic: what XTuner's own
files use, and what people's edited copies do.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.config.errors import Problem, RequestError
from ftcore.config.xtuner.read_statements import run
from ftcore.config.xtuner.read_terms import (
    MAX_DEPTH,
    Exhausted,
    Imported,
    Meter,
    Refused,
    Scope,
    size,
)
from ftcore.config.xtuner.read_text import tree_of


@dataclass(frozen=True, slots=True)
class XTunerFile:
    """What a configuration file says."""

    settings: dict[str, Any]
    """Its top-level names in order, without imports and names with a leading underscore. Plain data: what
    was imported is its dotted name (`xtuner.utils.PROMPT_TEMPLATE.default`), tuples stay tuples."""
    lines: dict[str, int]
    """The line, from 1, where each of them was assigned last; and, by dotted path, what is in the dicts and
    lists written there (`model.llm.type`, `custom_hooks.0`)."""


def read(path: Path) -> XTunerFile:
    """What `path` says; RequestError with all that is wrong in it, each thing under `FILE.py:LINE`."""
    tree = tree_of(path)
    scope = Scope(path, names={"__file__": str(path)})
    try:
        run(tree.body, scope)
        settings = _settings(scope)
    except Exhausted as exhausted:
        line = scope.meter.line
        scope.problems[Problem(f"{path.name}:{line}", str(exhausted))] = line
    if scope.problems and _is_program(tree):
        message = "a program and no configuration: it has functions, and no model or train_dataloader"
        raise RequestError([Problem(path.name, message)])
    if scope.problems:
        raise RequestError(sorted(scope.problems, key=lambda problem: scope.problems[problem]))
    lines = {at: line for at, line in scope.lines.items() if at.partition(".")[0] in settings}
    return XTunerFile(settings, lines)


def _settings(scope: Scope) -> dict[str, Any]:
    settings = {}
    for name, value in scope.names.items():
        scope.meter.line = scope.lines.get(name, 1)
        if not name.startswith("_") and name not in scope.imported | scope.broken:
            try:
                settings[name] = _plain(value, scope.meter)
            except Refused as refused:
                refused.message = f"{name}: {refused.message}"
                scope.tell(refused, scope.lines[name])
    return settings


def _plain(value: Any, meter: Meter, depth: int = 0) -> Any:
    """`value` with every dict and list its own, and imports by name."""
    meter.spend(size(value))
    if depth > MAX_DEPTH:
        raise Refused(f"nested too deeply (over {MAX_DEPTH} levels), or within itself")
    if isinstance(value, dict):
        return {_plain(key, meter, depth + 1): _plain(one, meter, depth + 1) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(one, meter, depth + 1) for one in value)
    if isinstance(value, Imported):
        return value.path
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise Refused(f"a {type(value).__name__} is no setting; write list(...) or sorted(...) around it")


def _is_program(tree: ast.Module) -> bool:
    functions = any(isinstance(node, ast.FunctionDef) for node in tree.body)
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    return functions and not {"model", "train_dataloader"} & names
