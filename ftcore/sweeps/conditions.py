"""Conditions over the keys of an experiment: `rank > 64 and max_length > 2048`."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ftcore.config.errors import nearest
from ftcore.config.nested import flat

COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
WORDS = {"null": None, "none": None, "true": True, "false": False}


class WrongCondition(Exception):
    """The text is no condition, or names a key that is not there; the text says which, and `nearest` what may
    have been meant."""

    nearest = ""


def parse(text: str) -> Callable[[Mapping[str, Any]], bool]:
    """A function of nested plain data. Raises WrongCondition, then or when it is called."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last: nested too deeply
        raise WrongCondition(f"{text!r} is no condition") from None
    for node in ast.walk(tree):
        if not isinstance(node, ALLOWED):
            raise WrongCondition(f"{text!r}: only keys, values, comparisons, and, or, not, + - * / // %")

    def holds(data: Mapping[str, Any]) -> bool:
        try:
            return bool(_value(tree, data))
        except (TypeError, ZeroDivisionError, OverflowError, RecursionError) as error:
            raise WrongCondition(f"{text!r}: {error}") from None

    return holds


ALLOWED = (
    ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.BinOp, ast.Name,
    ast.Attribute, ast.Constant, ast.List, ast.Tuple, ast.Load, *COMPARE, *ARITHMETIC,
)  # fmt: skip


def _value(node: ast.expr, data: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple():
            return [_value(one, data) for one in node.elts]
        case ast.Name() | ast.Attribute():
            return _key(ast.unparse(node), data)
        case ast.BoolOp():
            value, goes_on = None, isinstance(node.op, ast.And)
            for one in node.values:
                value = _value(one, data)
                if bool(value) is not goes_on:
                    break
            return value
        case ast.UnaryOp():
            value = _value(node.operand, data)
            return not value if isinstance(node.op, ast.Not) else -_number(value)
        case ast.BinOp():
            return ARITHMETIC[type(node.op)](
                _number(_value(node.left, data)), _number(_value(node.right, data))
            )
        case ast.Compare():
            left = _value(node.left, data)
            for sign, other in zip(node.ops, node.comparators, strict=True):
                right = _value(other, data)
                if not COMPARE[type(sign)](left, right):
                    return False
                left = right
            return True
    raise WrongCondition(f"{ast.unparse(node)!r} is not part of a condition")


def _number(value: Any) -> Any:
    """Multiplied or formatted, texts and lists could fill the memory."""
    if not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return value


def _key(key: str, data: Mapping[str, Any]) -> Any:
    if key.lower() in WORDS:
        return WORDS[key.lower()]
    node: Any = data
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            error = WrongCondition(f"no such key: {key}")
            error.nearest = nearest(key, flat(data))
            raise error
        node = node[name]
    return node
