"""`search=NAME search.KEY=VALUE` -> the strategy that they describe, and the axes that its file has."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from ftcore.config import overrides as grammar
from ftcore.config.errors import Problem, listed, nearest, shortened
from ftcore.config.schema.search import Search
from ftcore.sweeps.points import text

SEARCH: TypeAdapter[Search] = TypeAdapter(Search)
CHOICE = re.compile(r"\+{0,2}search=")


def strategy(words: Sequence[str], choices: Sequence[str]) -> tuple[Search | None, list[str], list[Problem]]:
    """The strategy, its axes as overrides, and what is wrong; to be called with Hydra set up.

    `words` are all about `search`; `choices` are the names of strategies.
    """
    named = [CHOICE.sub("", word, count=1) for word in words if CHOICE.match(word)]
    name = named[-1] if named else "grid"
    if name not in choices:
        return None, [], [
            Problem("search", f"no choice named {name!r}", listed(tuple(choices)), nearest(name, choices))
        ]  # fmt: skip
    values = [word for word in words if not CHOICE.match(word)]
    try:
        known = tuple(map(str, hydra.compose(f"search/{name}").search))
        if problems := [problem for word in values for problem in _wrong(word, known)]:
            return None, [], problems
        config = hydra.compose(f"search/{name}", overrides=[_with_new_keys(word) for word in values])
        plain: Any = OmegaConf.to_container(config.search, resolve=True)
        search = SEARCH.validate_python(plain)
    except (HydraException, OmegaConfBaseException) as error:
        return None, [], [Problem("search", shortened(" ".join(str(error).split()), 300))]
    except ValidationError as error:
        return None, [], [
            Problem(
                ".".join(["search", *map(str, item["loc"][1:])]),
                f"{item['msg'].removeprefix('Input ')}; got {shortened(repr(item['input']))}",
            )
            for item in error.errors(include_url=False)
        ]  # fmt: skip
    return search, [f"{key}={_values(value)}" for key, value in search.axes.items()], []


def _wrong(word: str, known: Sequence[str]) -> Iterator[Problem]:
    try:
        override = grammar.parse_one(word)
    except HydraException as error:
        yield grammar.not_an_override(word, error, "search.KEY=VALUE, a text in quotes")
        return
    key = override.key_or_group
    names = [f"search.{name}" for name in known]
    if ".".join(key.split(".")[:2]) not in names:
        yield Problem(key, "no such key of this strategy", ", ".join(names), nearest(key, names))
    elif override.is_sweep_override():
        yield Problem(key, "a sweep has one strategy, with one value of each key", nearest=f"{key}=[...]")


def _with_new_keys(word: str) -> str:
    """`search.axes` has no keys yet that Hydra could find there."""
    return f"++{word}" if word.startswith("search.axes") else word


def _values(value: Any) -> str:
    return ",".join(map(text, value)) if isinstance(value, list) else str(value)
