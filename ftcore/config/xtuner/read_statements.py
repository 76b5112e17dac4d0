"""Statements of a configuration file, one after the other; a wrong one is told and the next one read."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

from ftcore.config.xtuner import modules
from ftcore.config.xtuner.read_arithmetic import add_in_place, sound
from ftcore.config.xtuner.read_calls import CONSTANTS
from ftcore.config.xtuner.read_refusals import INSTEAD, MERGE, fault_text, shown, unknown
from ftcore.config.xtuner.read_terms import Imported, Refused, Scope, items_of, unloaded
from ftcore.config.xtuner.read_values import FAULTS, index, value

BASE = "_base_"


def run(statements: list[ast.stmt], scope: Scope) -> None:
    """Read `statements` into `scope`: its names, their lines, and what is wrong."""
    for node in statements:
        scope.meter.line = node.lineno
        try:
            if type(node) not in STATEMENTS:
                raise Refused(INSTEAD.get(type(node), f"{shown(node)} is not read; write the value"))
            STATEMENTS[type(node)](node, scope)
        except Refused as refused:
            scope.tell(refused, node.lineno)
            scope.spoil(_touched(node, scope))
        except FAULTS as error:
            scope.tell(Refused(f"{shown(node)}: {fault_text(error)}"), node.lineno)
            scope.spoil(_touched(node, scope))


def _touched(node: ast.stmt, scope: Scope) -> set[str]:
    """The names that a statement would have bound, or whose values it would have changed."""
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(part.name)
        elif isinstance(part, ast.alias):
            names.add((part.asname or part.name).partition(".")[0])
        elif isinstance(part, ast.ExceptHandler) and part.name:
            names.add(part.name)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            names |= {name for name in _root(part.func) if not isinstance(scope.names.get(name), Imported)}
        elif isinstance(getattr(part, "ctx", None), (ast.Store, ast.Del)):
            names.update(_root(part))
    return names


def _root(node: ast.AST) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _assign(node: ast.Assign, scope: Scope) -> None:
    if any(isinstance(target, ast.Name) and target.id == BASE for target in node.targets):
        scope.open = True
        raise Refused(f"this file continues a base file, which is not read; {MERGE}")
    given = value(node.value, scope)
    for target in node.targets:
        _bind(target, given, scope, node.value)


def _annotated(node: ast.AnnAssign, scope: Scope) -> None:
    if node.value is not None:
        _bind(node.target, value(node.value, scope), scope, node.value)


def _bind(target: ast.expr, given: Any, scope: Scope, source: ast.expr | None = None) -> None:
    """`target = given`; `source`, the expression it comes from, tells the lines of what is in it."""
    if isinstance(target, ast.Name):
        scope.names[target.id] = given
        scope.imported.discard(target.id)
        scope.broken.discard(target.id)
        _forget(target.id, scope)
        scope.lines[target.id] = target.lineno
        scope.lines.update(_places(target.id, source))
    elif isinstance(target, (ast.Tuple, ast.List)):
        for part, item in _unpacked(target.elts, items_of(given, scope.meter)):
            _bind(part, item, scope)
    elif isinstance(target, ast.Subscript):
        held, key = _place(target, scope)
        held[key] = items_of(given, scope.meter) if isinstance(key, slice) else given
        sound(held)
        if path := _path(target):
            scope.lines[path] = target.lineno
            scope.lines.update(_places(path, source))
    elif isinstance(target, ast.Attribute):
        raise Refused(
            f"an attribute cannot be set here; write {shown(target.value)[1:-1]}[{target.attr!r}] = ..."
        )
    else:
        raise Refused(f"{shown(target)} is not read on the left of `=`")


def _unpacked(targets: list[ast.expr], items: list[Any]) -> list[tuple[ast.expr, Any]]:
    """Which item each of `targets` takes; the starred one takes a list."""
    stars = [at for at, target in enumerate(targets) if isinstance(target, ast.Starred)]
    if not stars:
        if len(targets) != len(items):
            raise Refused(f"{len(items)} values for {len(targets)} names")
        return list(zip(targets, items, strict=True))
    before, after = stars[0], len(targets) - stars[0] - 1
    if len(items) < before + after:
        raise Refused(f"{len(items)} values for {before + after} names and more")
    starred = targets[before]
    assert isinstance(starred, ast.Starred)
    end = len(items) - after
    taken = [*items[:before], items[before:end], *items[end:]]
    return list(zip([*targets[:before], starred.value, *targets[before + 1 :]], taken, strict=True))


def _place(target: ast.Subscript, scope: Scope) -> tuple[Any, Any]:
    held, key = value(target.value, scope), index(target.slice, scope)
    if isinstance(held, Imported):
        raise Refused(unloaded(held))
    return held, key


def _places(path: str, node: ast.expr | None) -> Iterator[tuple[str, int]]:
    """The lines of what a display or a `dict(...)` holds, by dotted path: `model.llm.type`, `hooks.0`."""
    parts: list[tuple[str, ast.expr, int]] = []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        parts = [(keyword.arg, keyword.value, keyword.lineno) for keyword in node.keywords if keyword.arg]
    elif isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        parts = [(str(k.value), v, k.lineno) for k, v in pairs if isinstance(k, ast.Constant)]
    elif isinstance(node, (ast.List, ast.Tuple)) and not any(isinstance(e, ast.Starred) for e in node.elts):
        parts = [(str(at), element, element.lineno) for at, element in enumerate(node.elts)]
    for name, inner, line in parts:
        yield f"{path}.{name}", line
        yield from _places(f"{path}.{name}", inner)


def _path(node: ast.expr) -> str:
    """`train['a'][0]` -> `train.a.0`; nothing where a part of it is worked out."""
    if isinstance(node, ast.Name):
        return node.id
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and (base := _path(node.value))
    ):
        return f"{base}.{node.slice.value}"
    return ""


def _forget(name: str, scope: Scope) -> None:
    if scope.lines.pop(name, None):
        scope.meter.spend(len(scope.lines) // 50)
        for path in [path for path in scope.lines if path.startswith(f"{name}.")]:
            del scope.lines[path]


def _augmented(node: ast.AugAssign, scope: Scope) -> None:
    if isinstance(node.target, ast.Name):
        name = node.target.id
        if name not in scope.names:
            raise unknown(name, scope)
        current = scope.names[name]
        scope.names[name] = add_in_place(type(node.op), current, value(node.value, scope), scope.meter)
        scope.imported.discard(name)
        scope.lines[name] = node.lineno
    elif isinstance(node.target, ast.Subscript):
        held, key = _place(node.target, scope)
        held[key] = add_in_place(type(node.op), held[key], value(node.value, scope), scope.meter)
        if path := _path(node.target):
            scope.lines[path] = node.lineno
    else:
        raise Refused(f"{shown(node.target)} cannot be changed here; write a key in brackets")


def _delete(node: ast.Delete, scope: Scope) -> None:
    for target in node.targets:
        if isinstance(target, ast.Subscript):
            held, key = _place(target, scope)
            del held[key]
        elif isinstance(target, ast.Name):
            if target.id not in scope.names:
                raise unknown(target.id, scope)
            del scope.names[target.id]
            scope.imported.discard(target.id)
            _forget(target.id, scope)
        else:
            raise Refused(f"{shown(target)} cannot be deleted here; write a name, or a key in brackets")


def _if(node: ast.If, scope: Scope) -> None:
    run(node.body if value(node.test, scope) else node.orelse, scope)


def _expression(node: ast.Expr, scope: Scope) -> None:
    # A text on its own is a comment; anything else may change a value (`model.update(...)`).
    if not isinstance(node.value, ast.Constant):
        value(node.value, scope)


def _import(node: ast.Import, scope: Scope) -> None:
    for alias in node.names:
        bound = alias.asname or alias.name.partition(".")[0]
        thing = Imported(alias.name if alias.asname else bound, module=True)
        _import_one(alias.name, "", bound, thing, alias.lineno, scope)


def _import_from(node: ast.ImportFrom, scope: Scope) -> None:
    module = "." * node.level + (node.module or "")
    star = any(alias.name == "*" for alias in node.names)
    scope.open |= star
    if node.level:
        raise Refused(
            f"`from {module}` is a file near this one, and is not read; write its values here, or {MERGE}"
        )
    if star:
        raise Refused(f"`from {module} import *` does not say what it brings; list the names")
    for alias in node.names:
        path = f"{module}.{alias.name}"
        thing = CONSTANTS.get(path, Imported(path))
        _import_one(module, alias.name, alias.asname or alias.name, thing, alias.lineno, scope)


def _import_one(module: str, name: str, bound: str, thing: Any, line: int, scope: Scope) -> None:
    fault = modules.fault(module, name, scope.file.parent)
    if fault:
        scope.tell(Refused(*fault, line=line))
        scope.spoil({bound})
        return
    scope.names[bound] = thing
    scope.imported.add(bound)
    scope.broken.discard(bound)


def _with(node: ast.With, scope: Scope) -> None:
    called = node.items[0].context_expr
    if isinstance(called, ast.Call) and ast.unparse(called.func).rpartition(".")[2] == "read_base":
        scope.open |= any(isinstance(part, ast.alias) and part.name == "*" for part in ast.walk(node))
        raise Refused(f"this file continues a base file, which is not read; {MERGE}")
    raise Refused(INSTEAD[ast.With])


STATEMENTS: dict[type[ast.stmt], Callable[[Any, Scope], None]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.If: _if,
    ast.Expr: _expression,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.With: _with,
    ast.Pass: lambda node, scope: None,
}
