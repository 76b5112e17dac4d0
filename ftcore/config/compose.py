"""Overrides -> Hydra composition -> typed Experiment, with every problem found at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hydra
import hydra.version
import yaml
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from ftcore.config import overrides as override_grammar
from ftcore.config import plain_yaml, resolvers
from ftcore.config.checks import check
from ftcore.config.errors import Problem, RequestError, nearest, shortened
from ftcore.config.groups import conf_dir, config_groups
from ftcore.config.schema import Experiment
from ftcore.config.upgrade import upgraded
from ftcore.config.validate import resolve, validate
from ftcore.hardware.detect import this_machine

CONFIG_NAME = "config"
DECIDES_THE_EXPERIMENT = ("experiment", "model", "data")

BROKEN_FILES = (
    HydraException, OmegaConfBaseException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError,
    AssertionError, RecursionError,
)  # fmt: skip
"""What Hydra lets out when a YAML file of the user's is not what it should be."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A checked experiment and the choices that made it."""

    experiment: Experiment
    choices: dict[str, str]
    """Config group -> choice, as composed."""

    overrides: tuple[str, ...]
    """As the user typed them."""


def compose(
    texts: Sequence[str], *, config_dir: str | None = None, config_name: str = CONFIG_NAME
) -> Composed:
    """The experiment that `texts` (Hydra overrides) describe.

    `config_dir` is searched after `conf/` for groups and presets of the user's own. Raises RequestError
    with all that is wrong: overrides that cannot be read, unknown groups, choices and keys, wrong types,
    broken interpolations, and settings that contradict each other.
    """
    config, chosen, values, problems = composed_with(texts, config_dir, config_name)
    untouched = config.copy()
    problems += override_grammar.apply(config, values)
    experiment, problems = checked(config, untouched, problems)
    if experiment is None:
        raise RequestError(problems)
    return Composed(experiment, chosen, tuple(texts))


def checked(
    config: DictConfig, untouched: DictConfig, problems: Sequence[Problem] = ()
) -> tuple[Experiment | None, list[Problem]]:
    """The checked experiment that `config` is, or everything that is wrong with it, `problems` included."""
    experiment, found = _build(config, untouched)
    wrong = [*problems, *found, *(check(experiment) if experiment is not None else ())]
    return (None if wrong else experiment), list(dict.fromkeys(wrong))


def composition(texts: Sequence[str], *, config_dir: str | None = None) -> DictConfig:
    """What `texts` compose to, unresolved: it need not be an experiment yet.

    Raises RequestError where `texts` cannot be read or composed.
    """
    config, _, values, problems = composed_with(texts, config_dir, CONFIG_NAME)
    problems += override_grammar.apply(config, values)
    if problems:
        raise RequestError(problems)
    return config


def experiment_of(config: DictConfig) -> Experiment:
    """The checked experiment that a composition is; RequestError with all that is wrong with it."""
    experiment, problems = checked(config, config)
    if experiment is None:
        raise RequestError(problems)
    return experiment


def load(path: Path) -> Experiment:
    """The experiment that a run directory's `config.yaml` holds."""
    config = plain_yaml.load(path)
    experiment, problems = validate(upgraded(config) if isinstance(config, dict) else config)
    if experiment is None:
        raise RequestError(problems)
    return experiment


def to_yaml(experiment: Experiment) -> str:
    """The resolved configuration; `load` makes an equal experiment of it."""
    return plain_yaml.dump(experiment.model_dump(mode="json"))


def broken(config_name: str, error: BaseException) -> Problem:
    """A file that cannot be composed, in Hydra's words but for what concerns its insides."""
    text = str(error).strip().split("\n\n")[0] or type(error).__name__
    return Problem(config_name, shortened(" ".join(text.split()), 600))


@contextmanager
def hydra_configs(
    config_dir: str | None, config_name: str = CONFIG_NAME
) -> Iterator[dict[str, tuple[str, ...]]]:
    """Hydra set up on `conf/` and `config_dir`; gives each config group with its choices.

    Choices whose names begin with `_` are parts of others, not for people. Raises RequestError where
    `config_dir` or `config_name` is not there.
    """
    folders = [conf_dir()]
    if config_dir is not None:
        folders.append(Path(config_dir).absolute())
        if not folders[-1].is_dir():
            raise RequestError([Problem("--config-dir", f"no such folder: {shortened(config_dir)}")])
    names = {file.stem for folder in folders for file in folder.glob("*.yaml")}
    if config_name.removesuffix(".yaml") not in names:
        shown = shortened(config_name)
        message = f"no file {shown}.yaml among the configs"
        raise RequestError([Problem("--config-name", message, ", ".join(names), nearest(shown, names))])
    resolvers.register()
    search_path = create_config_search_path(str(folders[0]))
    for folder in folders[1:]:
        # An override of hydra.searchpath would not find top-level files there. Hydra wants "schema" last.
        search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
    hydra.version.setbase("1.3")
    GlobalHydra.instance().clear()
    Hydra.create_main_hydra2(task_name="ftcore", config_search_path=search_path)
    try:
        yield config_groups(folders)
    finally:
        GlobalHydra.instance().clear()


def complete(chosen: Sequence[Override]) -> list[Override]:
    """Put what was detected for `hardware=auto`, and quickstart where nothing says what to train."""
    result = [o for o in chosen if not (o.key_or_group == "hardware" and o.value() == "auto")]
    given = {o.key_or_group for o in result}
    if "hardware" not in given:
        result.append(override_grammar.parse_one(f"hardware={this_machine().accelerator}"))
    if given.isdisjoint(DECIDES_THE_EXPERIMENT):
        result.append(override_grammar.parse_one("experiment=quickstart"))
    return result


def composed_with(
    texts: Sequence[str], config_dir: str | None, config_name: str
) -> tuple[DictConfig, dict[str, str], tuple[Override, ...], list[Problem]]:
    """What Hydra makes of the group choices in `texts`, those choices, the overrides of values that are yet
    to be applied, and what is wrong so far."""
    with hydra_configs(config_dir, config_name) as groups:
        overrides, problems = override_grammar.parse(texts, groups)
        choices = [o.input_line or "" for o in complete(overrides.groups)]
        try:
            config = hydra.compose(config_name, overrides=choices, return_hydra_config=True)
        except BROKEN_FILES as error:
            raise RequestError([*problems, broken(config_name, error)]) from None
    chosen = {
        group: choice
        for group, choice in config.hydra.runtime.choices.items()
        if choice and not group.startswith("hydra/")
    }
    with open_dict(config):
        del config["hydra"]
    return config, chosen, overrides.values, problems


def _build(config: DictConfig, untouched: DictConfig) -> tuple[Experiment | None, list[Problem]]:
    """A typed experiment, and what is wrong with `config`.

    Where an override made a key wrong, the key's composed value takes its place, so that the rules across
    keys are checked all the same and the user hears of everything at once.
    """
    problems: list[Problem] = []
    while True:
        plain, found = resolve(config)
        experiment, wrong = validate(plain, config) if plain is not None else (None, [])
        new = [problem for problem in (*found, *wrong) if problem not in problems]
        problems += new
        if experiment is not None or not new:
            return experiment, problems
        for problem in new:
            override_grammar.restore(config, untouched, problem.key)
