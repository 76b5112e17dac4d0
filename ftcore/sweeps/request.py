"""A sweep's command line -> every trial, composed and checked, with every problem told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from ftcore.config import overrides as grammar
from ftcore.config.compose import CONFIG_NAME, Composed, hydra_configs
from ftcore.config.errors import Problem, RequestError
from ftcore.config.schema.search import Asynchronous, Search
from ftcore.config.template import Template
from ftcore.sweeps import conditions
from ftcore.sweeps.axes import Axis, left_of_a_file, split
from ftcore.sweeps.points import Point, points, wrong
from ftcore.sweeps.samples import samples
from ftcore.sweeps.strategy import strategy

SHOWN = 20
"""Problems of trials that are told one by one."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One point and the experiment that it is."""

    number: int
    point: Point
    composed: Composed


@dataclass(frozen=True, slots=True)
class Sweep:
    """Everything that a command line asks for."""

    fixed: tuple[str, ...]
    axes: tuple[Axis, ...]
    search: Search
    trials: tuple[Trial, ...]
    """Of a search that asks as it goes: every value of each axis once, to be checked and not to be run."""

    skipped: int
    """Points that a condition leaves out."""

    invalid: tuple[Problem, ...]
    """Of points that `--skip-invalid` left out."""

    config_dir: str | None = None
    config_name: str = CONFIG_NAME


def request(
    words: Sequence[str],
    config_dir: str | None,
    config_name: str = CONFIG_NAME,
    *,
    skip_invalid: bool = False,
) -> Sweep:
    """Read, expand and check. Raises RequestError with all that is wrong; nothing is made."""
    own = [word for word in words if word.partition("=")[0].lstrip("+~").split(".")[0] == "search"]
    rest = [word for word in words if word not in own]
    with hydra_configs(config_dir, config_name) as groups:
        search, axes_told, problems = strategy(own, groups.get("search", ()))
        fixed, axes, found = split([*left_of_a_file(axes_told, rest), *rest], groups)
        problems += [*found, *grammar.parse(fixed, groups)[1]]
    if search is None:
        raise RequestError(problems)
    problems += [] if problems else wrong(axes, search)
    tests = _conditions(search.skip, problems)
    if problems:
        raise RequestError(dict.fromkeys(problems))
    variations = Variations(fixed, axes, config_dir, config_name)
    asks = isinstance(search, Asynchronous)
    found_points = samples(axes) if asks else points(axes, search)
    trials, skipped, invalid = _trials(found_points, variations, tests, only_checked=asks)
    if invalid and not (skip_invalid and trials):
        more = len(invalid) - SHOWN
        shown = list(dict.fromkeys(invalid))[:SHOWN]
        if more > 0:
            shown.append(Problem("-m", f"and {more} more", "--skip-invalid leaves such trials out"))
        raise RequestError(shown)
    return Sweep(
        tuple(fixed), tuple(axes), search, tuple(trials), skipped, tuple(invalid), config_dir, config_name
    )


class Variations:
    """Composes once for each combination of group choices, and varies values on that."""

    def __init__(
        self, fixed: Sequence[str], axes: Sequence[Axis], config_dir: str | None, config_name: str
    ) -> None:
        self._fixed, self._folder, self._name = tuple(fixed), config_dir, config_name
        with hydra_configs(config_dir, config_name) as groups:
            self._groups = set(groups)
        self._templates: dict[Point, Template | RequestError] = {}
        self._read: dict[str, Override] = {}

    def compose(self, point: Point) -> tuple[Composed | None, list[Problem]]:
        """The experiment of a point, or what is wrong with it."""
        try:
            words = [self._parsed(word) for word in point]
        except HydraException as error:
            return None, [grammar.not_an_override(" ".join(point), error)]
        groups = tuple(word.input_line or "" for word in words if word.key_or_group in self._groups)
        template = self._template(groups)
        if isinstance(template, RequestError):
            return None, list(template.problems)
        return template.vary([word for word in words if word.key_or_group not in self._groups])

    def _parsed(self, word: str) -> Override:
        if word not in self._read:
            self._read[word] = grammar.parse_one(word)
        return self._read[word]

    def _template(self, groups: Point) -> "Template | RequestError":
        if groups not in self._templates:
            try:
                self._templates[groups] = Template([*self._fixed, *groups], self._folder, self._name)
            except RequestError as error:
                self._templates[groups] = error
        return self._templates[groups]


def _trials(
    found: Iterator[Point],
    variations: Variations,
    tests: Sequence[Callable[[Mapping[str, Any]], bool]],
    *,
    only_checked: bool,
) -> tuple[list[Trial], int, list[Problem]]:
    trials: list[Trial] = []
    skipped, invalid = 0, []
    for point in found:
        composed, problems = variations.compose(point)
        if composed is None:
            where = " ".join(point)
            if only_checked:
                # Of a wrong value there are as many samples as the other axes have values.
                invalid += problems
                continue
            invalid += [Problem(p.key, f"{p.message} (in {where})", p.allowed, p.nearest) for p in problems]
            continue
        try:
            if tests and _any_holds(tests, composed) and not only_checked:
                skipped += 1
                continue
        except conditions.WrongCondition as error:
            raise RequestError([Problem("search.skip", str(error), nearest=error.nearest)]) from None
        trials.append(Trial(len(trials), point, composed))
    return trials, skipped, invalid


def _any_holds(tests: Sequence[Callable[[Mapping[str, Any]], bool]], composed: Composed) -> bool:
    plain = composed.experiment.model_dump(mode="json")
    return any(test(plain) for test in tests)


def _conditions(texts: Sequence[str], problems: list[Problem]) -> list[Callable[[Mapping[str, Any]], bool]]:
    found = []
    for text in texts:
        try:
            found.append(conditions.parse(text))
        except conditions.WrongCondition as error:
            problems.append(Problem("search.skip", str(error)))
    return found
