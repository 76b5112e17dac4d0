"""Expressions of a configuration file -> values, by a closed list of what an expression may be."""

import ast
import builtins
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ftcore.config.errors import shortened
from ftcore.config.xtuner import modules
from ftcore.config.xtuner.read_arithmetic import arithmetic, checked, compare, formatted, joined
from ftcore.config.xtuner.read_calls import BUILTINS, CONSTANTS, FUNCTIONS, call, call_function, call_method
from ftcore.config.xtuner.read_refusals import INSTEAD, NO_CALL, fault_text, near, shown, unknown
from ftcore.config.xtuner.read_terms import MAX_DEPTH, Imported, Refused, Scope, items_of, unloaded, weigh

UNARY = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert}

FAULTS = (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)
"""What Python's own operations raise on values that do not suit them; RecursionError is a RuntimeError."""


def value(node: ast.expr, scope: Scope) -> Any:
    """What `node` evaluates to; Refused, with its line, where it cannot be read."""
    scope.meter.depth += 1
    try:
        scope.meter.spend(1)
        if scope.meter.depth > MAX_DEPTH:
            raise Refused(f"nested too deeply (over {MAX_DEPTH} levels); give parts names of their own")
        if type(node) not in EVALUATE:
            raise Refused(INSTEAD.get(type(node), f"{shown(node)} is not read; write the value"))
        return EVALUATE[type(node)](node, scope)
    except Refused as refused:
        refused.line = refused.line or node.lineno
        raise
    except FAULTS as error:
        raise Refused(f"{shown(node)}: {fault_text(error)}", line=node.lineno) from None
    finally:
        scope.meter.depth -= 1


def every(nodes: Iterable[ast.expr], scope: Scope) -> list[Any]:
    """The values of `nodes`, starred ones spread; what is wrong is told before they are Refused."""
    values: list[Any] = []
    failed = False
    for node in nodes:
        try:
            if isinstance(node, ast.Starred):
                values += items_of(value(node.value, scope), scope.meter)
            else:
                values.append(value(node, scope))
        except (Refused, TypeError) as error:
            refused = error if isinstance(error, Refused) else Refused(f"{shown(node)}: {error}")
            scope.tell(refused, node.lineno)
            failed = True
    if failed:
        raise Refused
    return values


def reference(node: ast.expr, scope: Scope) -> Any:
    """`value`, or a thing of the standard library: for what is about to be called or looked into."""
    if isinstance(node, ast.Name):
        if node.id not in scope.names:
            raise unknown(node.id, scope)
        return scope.names[node.id]
    if not isinstance(node, ast.Attribute):
        return value(node, scope)
    base = reference(node.value, scope)
    if not isinstance(base, Imported):
        hint = f"; write {shown(node.value)[1:-1]}[{node.attr!r}]" if isinstance(base, dict) else ""
        raise Refused(f"a {type(base).__name__} has no attribute {node.attr!r} that can be read{hint}")
    path = f"{base.path}.{node.attr}"
    if node.attr.startswith("__"):
        raise Refused(f"{path} is known only by loading it; write the value")
    fault = modules.attribute_fault(base.path, node.attr) if base.module else None
    if fault:
        raise Refused(*fault)
    return CONSTANTS.get(path, Imported(path, base.module and modules.is_module(path)))


def _named(node: ast.expr, scope: Scope) -> Any:
    result = reference(node, scope)
    if isinstance(result, Imported) and result.of_python:
        raise Refused(f"{result.path} is known only by running Python; write the value")
    return result


def _constant(node: ast.Constant, scope: Scope) -> Any:
    return checked(node.value, scope.meter)


def _call(node: ast.Call, scope: Scope) -> Any:
    function = node.func
    if isinstance(function, ast.Name) and function.id not in scope.names:
        return _call_builtin(function.id, node, scope)
    if isinstance(function, ast.Attribute):
        base = reference(function.value, scope)
        if not isinstance(base, Imported):
            return call_method(base, function.attr, *_arguments(node, scope), scope.meter)
    target = reference(function, scope)
    if not isinstance(target, Imported):
        raise Refused(f"{shown(function)} is a {type(target).__name__} and cannot be called")
    if target.path in FUNCTIONS:
        return call_function(target.path, *_arguments(node, scope), scope.meter)
    instead = (
        "" if target.of_python else f", or dict(type={shown(function)[1:-1]}, ...) for XTuner to call it"
    )
    raise Refused(f"{target.path}(...): {NO_CALL}{instead}")


def _call_builtin(name: str, node: ast.Call, scope: Scope) -> Any:
    if name in BUILTINS and name not in scope.broken:
        return call(name, *_arguments(node, scope), scope.meter)
    if name not in scope.broken and hasattr(builtins, name):
        raise Refused(f"{name}(...): {NO_CALL}")
    raise unknown(name, scope)


def _arguments(node: ast.Call, scope: Scope) -> tuple[list[Any], dict[str, Any]]:
    generators = [arg for arg in node.args if isinstance(arg, ast.GeneratorExp)]
    if generators and len(node.args) == 1 and not node.keywords:
        return [_list_comp(generators[0], scope)], {}
    values = every([*node.args, *(keyword.value for keyword in node.keywords)], scope)
    # A starred argument makes `values` longer than `node.args`; keywords stay the last ones.
    first = len(values) - len(node.keywords)
    return values[:first], _keywords(zip(node.keywords, values[first:], strict=True))


def _keywords(pairs: Iterable[tuple[ast.keyword, Any]]) -> dict[str, Any]:
    keywords: dict[str, Any] = {}
    for keyword, given in pairs:
        more = given if keyword.arg is None else {keyword.arg: given}
        if not isinstance(more, dict) or not all(isinstance(name, str) for name in more):
            raise TypeError("argument after ** must be a dict with text keys")
        if twice := keywords.keys() & more.keys():
            raise TypeError(f"the argument {min(twice)!r} is given twice")
        keywords |= more
    return keywords


def _dict(node: ast.Dict, scope: Scope) -> dict[Any, Any]:
    spread = object()
    keys = iter(every([key for key in node.keys if key is not None], scope))
    labels = [spread if key is None else next(keys) for key in node.keys]
    made: dict[Any, Any] = {}
    for label, held in zip(labels, every(node.values, scope), strict=True):
        if label is not spread:
            weigh(label, scope.meter)
            made[label] = held
        elif isinstance(held, dict):
            made.update(held)
        else:
            raise TypeError(f"** takes a dict, and not a {type(held).__name__}")
    return checked(made, scope.meter)


def _set(node: ast.Set, scope: Scope) -> set[Any]:
    items = every(node.elts, scope)
    weigh(items, scope.meter)
    return set(items)


def _subscript(node: ast.Subscript, scope: Scope) -> Any:
    held, key = value(node.value, scope), index(node.slice, scope)
    if isinstance(held, Imported):
        instead = f"; write {shown(node.value)[1:-1]}.{key}" if str(key).isidentifier() else ""
        raise Refused(unloaded(held) + instead)
    if isinstance(held, dict) and key not in held:
        raise Refused(
            f"{shown(node.value)} has no key {shortened(repr(key), 60)}",
            near(shortened(str(key)), map(str, held)),
        )
    return checked(held[key], scope.meter)


def index(node: ast.expr, scope: Scope) -> Any:
    """What stands in brackets after a value: a key, a position or a slice."""
    if isinstance(node, ast.Slice):
        return slice(*(part and value(part, scope) for part in (node.lower, node.upper, node.step)))
    key = value(node, scope)
    weigh(key, scope.meter)
    return key


def _unary(node: ast.UnaryOp, scope: Scope) -> Any:
    operand = value(node.operand, scope)
    if isinstance(node.op, ast.Not):
        return not operand
    if isinstance(operand, Imported):
        raise Refused(unloaded(operand))
    return UNARY[type(node.op)](operand)


def _bool(node: ast.BoolOp, scope: Scope) -> Any:
    result = None
    for part in node.values:
        result = value(part, scope)
        if bool(result) == isinstance(node.op, ast.Or):
            break
    return result


def _compare(node: ast.Compare, scope: Scope) -> bool:
    left = value(node.left, scope)
    for sign, part in zip(node.ops, node.comparators, strict=True):
        right = value(part, scope)
        if not compare(type(sign), left, right, scope.meter):
            return False
        left = right
    return True


def _text(node: ast.JoinedStr, scope: Scope) -> str:
    parts = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            spec = value(part.format_spec, scope) if part.format_spec else ""
            conversion = chr(part.conversion) if part.conversion != -1 else ""
            parts.append(formatted(value(part.value, scope), conversion, spec, scope.meter))
        else:
            parts.append(value(part, scope))
    return joined("", parts, scope.meter)


def _rounds(generators: list[ast.comprehension], scope: Scope) -> Iterator[None]:
    """Once for each element of a comprehension, its variables bound in `scope`."""
    if not generators:
        yield
        return
    first, *others = generators
    for item in items_of(value(first.iter, scope), scope.meter):
        unpack(first.target, item, scope)
        if all(value(test, scope) for test in first.ifs):
            yield from _rounds(others, scope)


def unpack(target: ast.expr, given: Any, scope: Scope) -> None:
    """Bind the names of a comprehension's `target` to `given`."""
    if isinstance(target, ast.Name):
        scope.names[target.id] = given
        scope.broken.discard(target.id)
        return
    if not isinstance(target, (ast.Tuple, ast.List)) or any(isinstance(t, ast.Starred) for t in target.elts):
        raise Refused(f"{shown(target)} is not read as a loop variable; write names")
    for part, item in zip(target.elts, items_of(given, scope.meter), strict=True):
        unpack(part, item, scope)


def _inner(scope: Scope) -> Scope:
    """A comprehension's own names over those of `scope`."""
    scope.meter.spend(len(scope.names))
    return replace(scope, names=dict(scope.names), broken=set(scope.broken))


def _list_comp(node: ast.ListComp | ast.SetComp | ast.GeneratorExp, scope: Scope) -> list[Any]:
    inner = _inner(scope)
    return checked([value(node.elt, inner) for _ in _rounds(node.generators, inner)], scope.meter)


def _set_comp(node: ast.SetComp, scope: Scope) -> set[Any]:
    items = _list_comp(node, scope)
    weigh(items, scope.meter)
    return set(items)


def _dict_comp(node: ast.DictComp, scope: Scope) -> dict[Any, Any]:
    inner = _inner(scope)
    made = [(index(node.key, inner), value(node.value, inner)) for _ in _rounds(node.generators, inner)]
    return checked(dict(made), scope.meter)


EVALUATE: dict[type[ast.expr], Callable[[Any, Scope], Any]] = {
    ast.Constant: _constant,
    ast.Name: _named,
    ast.Attribute: _named,
    ast.Call: _call,
    ast.List: lambda node, scope: every(node.elts, scope),
    ast.Tuple: lambda node, scope: tuple(every(node.elts, scope)),
    ast.Set: _set,
    ast.Dict: _dict,
    ast.Subscript: _subscript,
    ast.BinOp: lambda node, scope: arithmetic(
        type(node.op), value(node.left, scope), value(node.right, scope), scope.meter
    ),
    ast.UnaryOp: _unary,
    ast.BoolOp: _bool,
    ast.Compare: _compare,
    ast.IfExp: lambda node, scope: value(node.body if value(node.test, scope) else node.orelse, scope),
    ast.JoinedStr: _text,
    ast.ListComp: _list_comp,
    ast.SetComp: _set_comp,
    ast.DictComp: _dict_comp,
}
