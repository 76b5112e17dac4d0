"""Python's operators and text formatting on plain values, without those results that fill the memory."""

import ast
import operator
import re
from collections.abc import Callable
from string import Formatter
from typing import Any

from ftcore.config.xtuner.read_terms import (
    MAX_BITS,
    MAX_ITEMS,
    MAX_TEXT,
    Imported,
    Meter,
    Refused,
    items_of,
    size,
    unloaded,
    weigh,
)

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, container: item in container,
    ast.NotIn: lambda item, container: item not in container,
}
VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
KINDS = (type(None), bool, int, float, str, list, tuple, dict, set, range, *VIEWS)

WIDE = re.compile(r"\d{4,}")
"""In a format specification, all that is numeric is a width or a precision."""
WIDE_PERCENT = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(?:\*|\d{4,}|\d*\.(?:\*|\d{4,}))|%\([^)]*\(")
"""As above in `'%5d'`; or a key with parentheses, which could hide one."""
FIELD = re.compile(r"[0-9]{0,3}|[A-Za-z_]\w*")


def arithmetic(kind: type[ast.operator], left: Any, right: Any, meter: Meter) -> Any:
    """`left` and `right` under an operator; Refused where it is none of a configuration's."""
    if kind not in OPERATORS:
        raise Refused(f"the operator {kind.__name__} has no place in a configuration; write the value")
    _guard(kind, left, right, meter)
    return checked(OPERATORS[kind](left, right), meter)


def add_in_place(kind: type[ast.operator], left: Any, right: Any, meter: Meter) -> Any:
    """`left += right` and its like: a list, dict or set changes, and with it all names it has."""
    if kind is ast.Add and isinstance(left, list):
        left.extend(items_of(right, meter))
    elif kind is ast.Mult and isinstance(left, list) and isinstance(right, int):
        left[:] = arithmetic(kind, left, right, meter)
    elif kind is ast.BitOr and isinstance(left, (dict, set)):
        weigh(right, meter)
        left |= right
    else:
        return arithmetic(kind, left, right, meter)
    return sound(left)


def compare(kind: type[ast.cmpop], left: Any, right: Any, meter: Meter) -> bool:
    """`left` against `right`; `is` against None, True and False alone."""
    if kind in (ast.Is, ast.IsNot):
        if not any(side is one for side in (left, right) for one in (None, True, False)):
            raise Refused("`is` is for None, True and False; compare values with ==")
        return (left is right) == (kind is ast.Is)
    for side in (left, right):
        if isinstance(side, Imported):
            raise Refused(unloaded(side))
        weigh(side, meter)
    return COMPARISONS[kind](left, right)


def checked(result: Any, meter: Meter) -> Any:
    """`result`, paid for, where it is a value that configurations hold and of a sound size."""
    meter.spend(size(sound(result)))
    return result


def sound(result: Any) -> Any:
    """`result`, where it is a value that configurations hold and of a sound size."""
    if isinstance(result, int) and result.bit_length() > MAX_BITS:
        raise Refused(f"an integer of over {MAX_BITS} bits; write a smaller one")
    if isinstance(result, str) and len(result) > MAX_TEXT:
        raise Refused(f"a text of over {MAX_TEXT} characters")
    if isinstance(result, (list, tuple, dict, set, range)) and len(result) > MAX_ITEMS:
        raise Refused(f"over {MAX_ITEMS} items in one value")
    if not isinstance(result, (*KINDS, Imported)):
        raise Refused(f"a value of type {type(result).__name__} has no place in a configuration")
    return result


def formatted(value: Any, conversion: str, spec: str, meter: Meter) -> str:
    """What `{value!conversion:spec}` puts into a text."""
    weigh(value, meter, plain=True)
    if WIDE.search(spec):
        raise Refused(f"a width or precision of over 999 in {spec!r}")
    if conversion:
        value = {"s": str, "r": repr, "a": ascii}[conversion](value)
    return checked(format(value, spec), meter)


def format_text(text: str, args: list[Any], kwargs: dict[str, Any], meter: Meter) -> str:
    """`text.format(*args, **kwargs)` with fields that are a number, a name or empty."""
    parts, length, numbered = [], 0, 0
    fields = list(Formatter().parse(text))
    if len({bool(name) for _, name, _, _ in fields if name is not None and not name.isidentifier()}) > 1:
        raise ValueError("cannot mix {} and {0}")
    for literal, name, spec, conversion in fields:
        parts.append(literal)
        if name is not None:
            if not FIELD.fullmatch(name) or "{" in (spec or ""):
                raise Refused(f"the field {{{name}}} is not a plain name; use an f-string")
            numbered += not name
            known: Any = kwargs if name.isidentifier() else args
            key: Any = name if name.isidentifier() else int(name or numbered - 1)
            parts.append(formatted(known[key], conversion or "", spec or "", meter))
        length += sum(map(len, parts[-2:]))
        _limit_text(length)
    return checked("".join(parts), meter)


def _limit_text(length: int) -> None:
    if length > MAX_TEXT:
        raise Refused(f"a text of over {MAX_TEXT} characters")


def joined(separator: str, texts: list[str], meter: Meter) -> str:
    """`separator.join(texts)`."""
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("join(...) takes texts alone")
    _limit_text(len(separator) * len(texts) + sum(len(text) for text in texts))
    return checked(separator.join(texts), meter)


def replaced(text: str, old: str, new: str, count: int, meter: Meter) -> str:
    """`text.replace(old, new, count)`."""
    _limit_text(len(text) + text.count(old) * len(new))
    return checked(text.replace(old, new, count), meter)


def _guard(kind: type[ast.operator], left: Any, right: Any, meter: Meter) -> None:
    """Refused where the result would be out of proportion; asked before it is made."""
    for side in (left, right):
        if isinstance(side, Imported):
            raise Refused(unloaded(side))
    if kind is ast.Pow and isinstance(left, int) and isinstance(right, int):
        if abs(left) > 1 and left.bit_length() * abs(right) > MAX_BITS + left.bit_length():
            raise Refused(f"an integer of over {MAX_BITS} bits; write a smaller one")
    elif kind is ast.Mult:
        for sequence, times in ((left, right), (right, left)):
            if isinstance(sequence, (str, list, tuple)) and isinstance(times, int):
                most = MAX_TEXT if isinstance(sequence, str) else MAX_ITEMS
                if len(sequence) * times > most:
                    raise Refused(f"over {most} {'characters' if most == MAX_TEXT else 'items'} in one value")
    elif kind is ast.Mod and isinstance(left, str):
        _guard_percent(left, right, meter)
    elif kind in (ast.BitOr, ast.BitAnd, ast.BitXor, ast.Sub):
        weigh(left, meter)
        weigh(right, meter)


def _guard_percent(text: str, values: Any, meter: Meter) -> None:
    weigh(values, meter, plain=True)
    if WIDE_PERCENT.search(text):
        raise Refused(f"a width or precision of over 999, or one from a value, in {text[:60]!r}")
    parts = list(values.values()) if isinstance(values, dict) else []
    parts += values if isinstance(values, tuple) else [values]
    longest = max((len(str(part)) for part in parts), default=0)
    _limit_text(len(text) + text.count("%") * (longest + 1000))
