"""One composition, many experiments: what overrides of values make of it, at a millisecond each."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftcore.config import overrides as grammar
from ftcore.config.checks import check
from ftcore.config.compose import Composed, checked, composed_with
from ftcore.config.errors import Problem, RequestError
from ftcore.config.nested import put
from ftcore.config.validate import validate


class Template:
    """What `texts` compose to, ready to be varied.

    Raises RequestError where `texts` cannot be composed; values that are wrong are told of each variation.
    """

    def __init__(self, texts: Sequence[str], config_dir: str | None, config_name: str) -> None:
        self.texts = tuple(texts)
        self._config, self.choices, values, problems = composed_with(texts, config_dir, config_name)
        self._composed = self._config.copy()
        problems += grammar.apply(self._config, values)
        if problems:
            raise RequestError(dict.fromkeys(problems))
        self._untouched = self._config.copy()
        self._references = {key: _referenced(self._config, key) for key in _interpolated(self._config, "")}
        try:
            self._plain: Any = OmegaConf.to_container(self._config, resolve=True, throw_on_missing=True)
        except OmegaConfBaseException:
            self._plain = None  # a key is missing that every variation has to give

    def vary(self, words: Sequence[Override]) -> tuple[Composed | None, list[Problem]]:
        """The experiment with these values, or what is wrong with it."""
        texts = (*self.texts, *(word.input_line or "" for word in words))
        problems = grammar.apply(self._config, words)
        try:
            if not problems and self._plain is not None and all(map(self._is_leaf, words)):
                experiment = self._quickly(words)
                if experiment is not None:
                    problems = check(experiment)
                    return (None, problems) if problems else (Composed(experiment, self.choices, texts), [])
            experiment, problems = checked(self._config.copy(), self._composed, problems)
            return (Composed(experiment, self.choices, texts) if experiment else None), problems
        finally:
            for word in words:
                grammar.restore(self._config, self._untouched, word.key_or_group)

    def _quickly(self, words: Sequence[Override]):
        """Only what was set and what is interpolated can differ from the composition as it was."""
        keys = self._affected([word.key_or_group for word in words])
        before = {key: _at(self._plain, key) for key in keys}
        try:
            for key in keys:
                put(self._plain, key, _value(self._config, key))
            return validate(self._plain)[0]
        except OmegaConfBaseException:
            return None
        finally:
            for key, value in before.items():
                put(self._plain, key, value)

    def _affected(self, changed: list[str]) -> list[str]:
        """`changed`, and the keys that are interpolated from them, directly or over others."""
        found = dict.fromkeys(changed)
        while new := [
            key
            for key, names in self._references.items()
            if key not in found
            and (names is None or any(_touch(name, other) for name in names for other in found))
        ]:
            found |= dict.fromkeys(new)
        return list(found)

    def _is_leaf(self, word: Override) -> bool:
        """Whether the override changes the value of a key that is there, and nothing else."""
        node = grammar.node_at(self._untouched, word.key_or_group)
        if node is not None and isinstance(node._get_parent(), ListConfig):
            return False
        plain = not isinstance(word.value(), dict) and not word.is_delete()
        return plain and node is not None and not isinstance(node, DictConfig)


def _interpolated(node: Any, key: str) -> Iterator[str]:
    """Keys whose value is, or holds, `${...}`; a list counts as a whole."""
    if node is None or node._is_none() or node._is_missing():
        return
    if node._is_interpolation():
        yield key
    elif isinstance(node, DictConfig):
        for name, child in node._content.items():
            yield from _interpolated(child, f"{key}.{name}" if key else str(name))
    elif isinstance(node, ListConfig) and any(any(_interpolated(child, key)) for child in node._content):
        yield key


REFERENCE = re.compile(r"\$\{([^${}:]*)\}")
ALIAS = re.compile(r"\$\{(\w[\w.]*)\}\Z")
ALIASES_AT_MOST = 10


def _referenced(config: DictConfig, key: str) -> tuple[str, ...] | None:
    """Keys that the text at `key` is interpolated from; None where they are not told by the text alone."""
    node = grammar.node_at(config, key)
    text = str(node._value()) if not isinstance(node, ListConfig) else "${}"
    names = tuple(_absolute(name, key) for name in REFERENCE.findall(text))
    return None if any(not name or "[" in name for name in names) else names


def _absolute(name: str, key: str) -> str:
    """What `name` stands for in the value at `key`: `.x` is beside it, `..x` beside what holds it."""
    dots = len(name) - len(name.lstrip("."))
    return ".".join([*key.split(".")[:-dots], name[dots:]]) if dots else name


def _touch(one: str, other: str) -> bool:
    """Whether two keys are the same, or one holds the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def _value(config: DictConfig, key: str) -> Any:
    if (node := _repeated(config, key)) is not None:
        return node._value()
    value = OmegaConf.select(config, key, throw_on_missing=True, throw_on_resolution_failure=True)
    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value, resolve=True, throw_on_missing=True)
    return value


def _repeated(config: DictConfig, key: str) -> Any:
    """The plain leaf at `key`, or that another key only repeats (`optim.lr: ${lr}`); None where there is more
    to resolve, which takes OmegaConf's grammar a quarter of a millisecond."""
    for _ in range(ALIASES_AT_MOST):
        node = grammar.node_at(config, key)
        if node is None or OmegaConf.is_config(node) or node._is_missing():
            return None
        if not node._is_interpolation():
            return node
        if (alias := ALIAS.match(node._value())) is None:
            return None
        key = alias[1]
    return None


def _at(plain: Any, key: str) -> Any:
    for name in key.split("."):
        plain = plain[name]
    return plain
