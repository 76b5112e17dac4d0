"""Overrides -> Hydra composition -> typed Experiment, with every problem found at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftcore.config import overrides as override_grammar
from ftcore.config import resolvers
from ftcore.config.checks import check
from ftcore.config.errors import Problem, RequestError
from ftcore.config.schema import Experiment
from ftcore.config.validate import resolve, validate
from ftcore.hardware.detect import this_machine

CONFIG_NAME = "config"
DECIDES_THE_EXPERIMENT = ("experiment", "model", "data")


@dataclass(frozen=True, slots=True)
class Composed:
    """A checked experiment and the choices that made it."""

    experiment: Experiment
    choices: dict[str, str]
    """Config group -> choice, as composed."""

    overrides: tuple[str, ...]
    """As the user typed them."""


def conf_dir() -> Path:
    """`conf/`: beside the package in a source tree, inside it when installed from a wheel."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "conf"


def compose(
    texts: Sequence[str], *, config_dir: str | None = None, config_name: str = CONFIG_NAME
) -> Composed:
    """The experiment that `texts` (Hydra overrides) describe.

    `config_dir` is searched before `conf/` for groups and presets of the user's own. Raises RequestError
    with all that is wrong: overrides that cannot be read, unknown groups, choices and keys, wrong types,
    broken interpolations, and settings that contradict each other.
    """
    with hydra_configs(config_dir) as (groups, searchpath):
        overrides, problems = override_grammar.parse(texts, groups)
        choices = [o.input_line or "" for o in _complete(overrides.groups)]
        try:
            config = hydra.compose(config_name, overrides=[*searchpath, *overrides.hydra, *choices])
        except (HydraException, OmegaConfBaseException) as error:
            raise RequestError([*problems, Problem(config_name, str(error).strip())]) from None
        composed_from = _choices(config_name, [*searchpath, *overrides.hydra, *choices])
    untouched = config.copy()
    problems += override_grammar.apply(config, overrides.values)
    experiment, found = _build(config, untouched)
    problems += found
    if experiment is not None:
        problems += check(experiment)
    if problems or experiment is None:
        raise RequestError(dict.fromkeys(problems))
    return Composed(experiment, composed_from, tuple(texts))


def load(path: Path) -> Experiment:
    """The experiment that a run directory's `config.yaml` holds."""
    plain = OmegaConf.to_container(OmegaConf.load(path))
    experiment, problems = validate(plain)
    if experiment is None:
        raise RequestError(problems)
    return experiment


def to_yaml(experiment: Experiment) -> str:
    """The resolved configuration; `load` makes an equal experiment of it."""
    return OmegaConf.to_yaml(OmegaConf.create(experiment.model_dump(mode="json")))


@contextmanager
def hydra_configs(config_dir: str | None) -> Iterator[tuple[dict[str, tuple[str, ...]], list[str]]]:
    """Hydra set up on `conf/`; gives the groups with their choices, and the search-path overrides to pass on.

    Choices whose names begin with `_` are parts of others, not for people.
    """
    resolvers.register()
    searchpath = []
    if config_dir is not None:
        folder = Path(config_dir).absolute()
        if not folder.is_dir():
            raise RequestError([Problem("--config-dir", f"no such folder: {config_dir}")])
        searchpath = [f"hydra.searchpath=[file://{folder}]"]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        yield _groups(searchpath), searchpath


def _groups(searchpath: list[str]) -> dict[str, tuple[str, ...]]:
    folders = [conf_dir(), *(Path(text.split("file://")[1].rstrip("]")) for text in searchpath)]
    groups: dict[str, set[str]] = {}
    for folder in folders:
        for file in folder.glob("*/*.yaml"):
            groups.setdefault(file.parent.name, set()).add(file.stem)
    return {
        group: tuple(sorted(name for name in names if not name.startswith("_")))
        for group, names in sorted(groups.items())
    }


def _complete(chosen: Sequence[Override]) -> list[Override]:
    """Put what was detected for `hardware=auto`, and quickstart where nothing says what to train."""
    parser = override_grammar.OverridesParser.create()
    result = [o for o in chosen if not (o.key_or_group == "hardware" and o.value() == "auto")]
    given = {o.key_or_group for o in result}
    if "hardware" not in given:
        result.append(parser.parse_override(f"hardware={this_machine().accelerator}"))
    if given.isdisjoint(DECIDES_THE_EXPERIMENT):
        result.append(parser.parse_override("experiment=quickstart"))
    return result


def _choices(config_name: str, texts: list[str]) -> dict[str, str]:
    loader = GlobalHydra.instance().config_loader()
    defaults = loader.compute_defaults_list(config_name, texts, hydra.types.RunMode.RUN)
    known = defaults.overrides.known_choices
    return {group: choice for group, choice in known.items() if choice and not group.startswith("hydra/")}


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
