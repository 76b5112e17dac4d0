"""What the reader of configuration files works with: names, what they may cost, and how it refuses."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftcore.config.errors import Problem, shortened

MAX_TEXT = 1_000_000
"""Characters of one text that a calculation may make."""
MAX_ITEMS = 100_000
"""Items of one list, tuple, set, dict or range."""
MAX_BITS = 4096
"""Of one integer; beyond some 14000 Python itself will not print it."""
MAX_DEPTH = 100
"""Of expressions within expressions, and of values within values."""
MAX_STEPS = 300_000
"""Expressions evaluated and items made, for a whole file. The largest file XTuner ships takes 500."""
MAX_PROBLEMS = 100


class Exhausted(Exception):
    """Over MAX_STEPS or MAX_PROBLEMS: nothing more of the file is read."""


class Refused(Exception):
    """Something that cannot be read, on `line` (0: not known yet); without a message: told already."""

    def __init__(self, message: str = "", nearest: str = "", line: int = 0):
        self.message, self.nearest, self.line = message, nearest, line
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file imports, by its dotted name. It is never loaded; in the settings it is a text."""

    path: str
    module: bool = False

    @property
    def of_python(self) -> bool:
        """Whether it is the standard library's: mmengine would have its value, and not its name."""
        return self.path.partition(".")[0] in sys.stdlib_module_names


@dataclass(slots=True)
class Meter:
    """What has been spent on a file."""

    steps: int = 0
    depth: int = 0
    line: int = 1
    """Where the statement being read begins."""

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise Exhausted(f"too much to work out for a configuration (over {MAX_STEPS} steps)")


@dataclass(slots=True)
class Scope:
    """The names of a file, and what is wrong with it so far."""

    file: Path
    names: dict[str, Any] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)
    """Those of `names` that an import bound."""
    broken: set[str] = field(default_factory=set)
    """Names whose value was refused: using one is no second problem."""
    open: bool = False
    """Names may have come from a refused `import *` or base file: an unknown one is no problem."""
    lines: dict[str, int] = field(default_factory=dict)
    problems: dict[Problem, int] = field(default_factory=dict)
    """What is wrong, and on which line."""
    meter: Meter = field(default_factory=Meter)

    def spoil(self, names: set[str]) -> None:
        """Forget the values of `names`, of which one was refused."""
        self.broken |= names
        for name in names:
            self.names.pop(name, None)

    def tell(self, refused: Refused, line: int = 0) -> None:
        """Keep what is wrong, once; `line` where it does not say."""
        line = refused.line or line
        problem = Problem(
            f"{self.file.name}:{line}", shortened(refused.message, 500), nearest=refused.nearest
        )
        if refused.message:
            self.problems.setdefault(problem, line)
        if len(self.problems) > MAX_PROBLEMS:
            raise Exhausted(f"over {MAX_PROBLEMS} things are wrong; the rest of the file is not read")


def size(value: Any) -> int:
    """What `value` itself costs to make or to look at, without what is in it."""
    if isinstance(value, str):
        return 1 + len(value) // 100
    return 1 + len(value) if isinstance(value, (list, tuple, dict, set, range)) else 1


def weigh(value: Any, meter: Meter, plain: bool = False) -> None:
    """Pay for a walk through all of `value`, before Python compares, hashes, prints or copies it.

    Lists that share their parts can be short and yet endless to walk. `plain`: it may hold nothing
    imported, for its text is not in the file, and no set, for its order changes from run to run.
    """
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        meter.spend(size(one))
        if depth > MAX_DEPTH:
            raise Refused(f"nested too deeply (over {MAX_DEPTH} levels)")
        if plain and isinstance(one, Imported):
            raise Refused(unloaded(one))
        if plain and isinstance(one, set):
            raise Refused("the order of a set changes from run to run; use sorted(...) or a list")
        if isinstance(one, dict):
            waiting += [(part, depth + 1) for item in one.items() for part in item]
        elif isinstance(one, (list, tuple, set)):
            waiting += [(part, depth + 1) for part in one]


def unloaded(thing: Imported) -> str:
    """Why a calculation cannot use `thing`."""
    return f"{thing.path} is imported and never loaded: it can be a value and no part of a calculation"


def items_of(value: Any, meter: Meter, ordered: bool = True) -> list[Any]:
    """What iterating over `value` gives; TypeError where Python's would."""
    if ordered and isinstance(value, set):
        raise Refused("the order of a set changes from run to run; use sorted(...) or a list")
    if isinstance(value, Imported):
        raise Refused(unloaded(value))
    items = list(value)
    meter.spend(len(items))
    return items
