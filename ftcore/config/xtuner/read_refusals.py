"""How the reader of configuration files words what it refuses."""

import ast
import builtins
from collections.abc import Iterable
from itertools import islice

from ftcore.config.errors import nearest, shortened
from ftcore.config.xtuner.read_terms import Refused, Scope

MERGE = "merge it first with mmengine: `Config.fromfile('FILE.py').dump('whole.py')`, and read whole.py"
NO_CALL = (
    "calls are not executed, but for Python's own on plain values (len, max, os.path.join); write the value"
)
CODE = "is code, and a configuration is read without running any; write out the values it makes"

INSTEAD = {
    ast.Lambda: "a lambda is code and is not run; write the value, or name a function that a package defines",
    ast.NamedExpr: "`:=` is not read; assign on a line of its own",
    ast.GeneratorExp: "a generator is no value; write a list [...]",
    ast.FunctionDef: f"`def` {CODE}, or name a function that an installed package defines",
    ast.AsyncFunctionDef: f"`async def` {CODE}",
    ast.ClassDef: f"`class` {CODE}, or name a class that an installed package defines",
    ast.For: f"`for` {CODE}, or use a list comprehension",
    ast.While: f"`while` {CODE}",
    ast.With: f"`with` {CODE}",
    ast.Try: f"`try` {CODE}",
    ast.Raise: f"`raise` {CODE}",
    ast.Assert: f"`assert` {CODE}",
    ast.Match: f"`match` {CODE}; `if` is read",
    ast.Global: "`global` does nothing here; leave it out",
}
"""What to do instead of an expression or a statement that is none of a configuration's."""


def near(word: str, candidates: Iterable[str]) -> str:
    """`nearest`, where the search is no long one."""
    few = list(islice(candidates, 2001))
    return nearest(word, few) if len(few) <= 2000 and len(word) <= 100 else ""


def shown(node: ast.AST) -> str:
    """The source of `node` on a short line."""
    try:
        return f"`{shortened(ast.unparse(node), 60)}`"
    except RecursionError:
        return "an expression"


def fault_text(error: BaseException) -> str:
    """What an error of Python's own says, in words where it says little."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, OverflowError):
        return "too large"
    if isinstance(error, KeyError):
        return f"no key {error}"
    return str(error) or type(error).__name__


def unknown(name: str, scope: Scope) -> Refused:
    """How a name that is not bound is refused; without a message where it is bound to be a second fault."""
    if name in scope.broken or scope.open:
        return Refused()
    if hasattr(builtins, name):
        return Refused(f"{name} is code of Python's own and no value; write the value")
    return Refused(f"the name {name!r} is not defined above this line", near(name, scope.names))
