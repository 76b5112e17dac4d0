"""The calls that a configuration file may make: Python's own on plain values, and nothing else."""

import copy
import math
import posixpath
from collections.abc import Callable
from typing import Any

from ftcore.config.errors import nearest
from ftcore.config.xtuner.read_arithmetic import checked, format_text, formatted, joined, replaced, sound
from ftcore.config.xtuner.read_terms import MAX_BITS, Meter, Refused, items_of, weigh

Args = list[Any]
Keywords = dict[str, Any]

CONSTANTS = {"math.pi": math.pi, "math.e": math.e, "math.inf": math.inf, "math.nan": math.nan, "os.sep": "/"}
"""Values of the standard library that a file may use, by dotted name."""

# Paths are those of the Linux machine that trains, wherever the file is read.
PATHS = (posixpath.join, posixpath.basename, posixpath.dirname, posixpath.splitext)
NUMBERS = (
    *(math.ceil, math.floor, math.trunc, math.gcd),
    *(math.pow, math.sqrt, math.exp, math.log, math.log2, math.log10),
)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"os.path.{function.__name__}": function for function in PATHS},
    **{f"math.{function.__name__}": function for function in NUMBERS},
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
}
"""Functions of the standard library that a file may call, by dotted name."""

# fmt: off
METHODS: dict[type, frozenset[str]] = {
    str: frozenset({
        "capitalize", "count", "endswith", "find", "format", "isdigit", "join", "lower", "lstrip",
        "partition", "removeprefix", "removesuffix", "replace", "rpartition", "rsplit", "rstrip",
        "split", "splitlines", "startswith", "strip", "title", "upper",
    }),
    list: frozenset({
        "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
        "sort",
    }),
    dict: frozenset({"clear", "copy", "get", "items", "keys", "pop", "setdefault", "update", "values"}),
    tuple: frozenset({"count", "index"}),
    set: frozenset({"add", "copy", "discard", "update"}),
}
# fmt: on

COMPARING = frozenset({"count", "index", "remove", "sort"})
"""Methods that look at all that their list holds."""


def call(name: str, args: Args, keywords: Keywords, meter: Meter) -> Any:
    """The builtin `name` (one of BUILTINS), called."""
    if name != "dict" or args:
        for value in (*args, *keywords.values()):
            weigh(value, meter, plain=name not in HOLDING)
    return checked(BUILTINS[name](meter, *args, **keywords), meter)


def call_function(path: str, args: Args, keywords: Keywords, meter: Meter) -> Any:
    """The function of dotted name `path` (one of FUNCTIONS), called."""
    for value in (*args, *keywords.values()):
        weigh(value, meter, plain=not path.startswith("copy."))
    return checked(FUNCTIONS[path](*args, **keywords), meter)


def call_method(receiver: Any, name: str, args: Args, keywords: Keywords, meter: Meter) -> Any:
    """`receiver.name(...)`, with its effect on `receiver`; Refused where it is no method of METHODS."""
    known = METHODS.get(type(receiver), frozenset())
    if name not in known:
        what = f"a {type(receiver).__name__} has no method {name!r} that a configuration may call"
        raise Refused(what, nearest(name, known))
    seen = [receiver] if isinstance(receiver, str) or name in COMPARING else []
    for value in (*seen, *args, *keywords.values()):
        weigh(value, meter, plain=isinstance(receiver, str))
    result = _special(receiver, name, args, keywords, meter)
    if result is NotImplemented:
        result = getattr(receiver, name)(*args, **keywords)
    sound(receiver)
    return checked(result, meter)


def _special(receiver: Any, name: str, args: Args, keywords: Keywords, meter: Meter) -> Any:
    """Those methods whose arguments are iterated over or whose result can be large."""
    if name == "format":
        return format_text(receiver, args, keywords, meter)
    if name == "join" and len(args) == 1:
        return joined(receiver, items_of(args[0], meter), meter)
    if name == "replace" and len(args) in (2, 3):
        return replaced(receiver, args[0], args[1], args[2] if args[2:] else -1, meter)
    if name == "extend" and len(args) == 1:
        return receiver.extend(items_of(args[0], meter))
    if name == "update" and isinstance(receiver, dict):
        return receiver.update(_dict(meter, *args, **keywords))
    if name == "sort":
        return receiver.sort(reverse=_reverse(keywords))
    return NotImplemented


def _dict(meter: Meter, *args: Any, **keywords: Any) -> dict[Any, Any]:
    return dict(*(one if isinstance(one, dict) else items_of(one, meter) for one in args), **keywords)


def _int(meter: Meter, *args: Any, **keywords: Any) -> int:
    if args and isinstance(args[0], str) and len(args[0]) > MAX_BITS:
        raise Refused(f"an integer of over {MAX_BITS} bits; write a smaller one")
    return int(*args, **keywords)


def _round(meter: Meter, number: Any, ndigits: int | None = None) -> Any:
    if isinstance(ndigits, int) and abs(ndigits) > 400:
        raise Refused("round(...) to over 400 digits")
    return round(number, ndigits)


def _sum(meter: Meter, values: Any, start: Any = 0) -> Any:
    items = _comparable(values, meter)
    if isinstance(start, list) and all(isinstance(item, list) for item in items):
        return start + [part for item in items for part in items_of(item, meter)]
    if not all(isinstance(item, (int, float)) for item in items):
        raise Refused("sum(...) is for numbers, or for lists with a list to start from")
    return sum(items, start)


def _min(meter: Meter, *args: Any, **keywords: Any) -> Any:
    _only(keywords, "default")
    return min(_comparable(args[0] if len(args) == 1 else args, meter), **keywords)


def _max(meter: Meter, *args: Any, **keywords: Any) -> Any:
    _only(keywords, "default")
    return max(_comparable(args[0] if len(args) == 1 else args, meter), **keywords)


def _sorted(meter: Meter, values: Any, **keywords: Any) -> list[Any]:
    return sorted(_comparable(values, meter), reverse=_reverse(keywords))


def _comparable(values: Any, meter: Meter) -> list[Any]:
    """The items of `values`, in any order, without imported things among them."""
    items = items_of(values, meter, ordered=False)
    for item in items:
        weigh(item, meter, plain=True)
    return items


def _reverse(keywords: Keywords) -> bool:
    _only(keywords, "reverse")
    return bool(keywords.get("reverse", False))


def _only(keywords: Keywords, name: str) -> None:
    for other in keywords.keys() - {name}:
        raise Refused(f"the argument {other!r} has no place in a configuration; write the value")


def _text(meter: Meter, *args: Any) -> str:
    return formatted(*args, "", "", meter) if len(args) == 1 else str(*args)


BUILTINS: dict[str, Callable[..., Any]] = {
    "dict": _dict,
    "list": lambda meter, *args: list(*(items_of(one, meter) for one in args)),
    "tuple": lambda meter, *args: tuple(*(items_of(one, meter) for one in args)),
    "set": lambda meter, *args: set(*(items_of(one, meter, ordered=False) for one in args)),
    "int": _int,
    "float": lambda meter, *args: float(*args),
    "str": _text,
    "bool": lambda meter, *args: bool(*args),
    "len": lambda meter, *args: len(*args),
    "range": lambda meter, *args: range(*args),
    "min": _min,
    "max": _max,
    "sum": _sum,
    "abs": lambda meter, *args: abs(*args),
    "round": _round,
    "sorted": _sorted,
}
"""Python's own functions that a file may call; each is given the meter before its arguments."""

HOLDING = frozenset({"dict", "list", "tuple", "set", "len", "bool", "sorted", "sum", "min", "max"})
"""Those of BUILTINS that may be given what a text or a number cannot be made of: imports, sets."""
