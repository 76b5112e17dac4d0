"""Where a finished run is to be served: the run's own configuration, and what is typed now."""

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from ftcore.config import overrides as override_grammar
from ftcore.config import plain_yaml
from ftcore.config.compose import composed_with
from ftcore.config.errors import Problem, RequestError, nearest
from ftcore.config.fields import fields
from ftcore.config.schema import Experiment
from ftcore.config.upgrade import upgraded
from ftcore.config.validate import resolve, validate
from ftcore.deploy.target import MODULES
from ftcore.runs.directory import RunDirectory

KEY, DEFAULT = "deploy", "openai"


def experiment(run: RunDirectory, words: Sequence[str], *, config_dir: str | None = None) -> Experiment:
    """The run's experiment, with `deploy` as `words` (overrides of that group alone) make it.

    Without a choice among `words` it is the run's own, or where that is none, `deploy=openai`. `${...}` in
    the group's files is about the run. Raises RequestError with everything that is wrong.
    """
    config = OmegaConf.create(upgraded(plain_yaml.load(run.config)))
    problems = [_of_another_group(word) for word in words if not _about_deploy(word)]
    asked = [word for word in words if _about_deploy(word)]
    if config[KEY]["kind"] == "none" and not _choice(asked):
        asked = [f"{KEY}={DEFAULT}", *asked]
    composed, _, values, found = composed_with(asked, config_dir, "config")
    if _choice(asked):
        config[KEY] = _unresolved(composed[KEY])
    problems += found + override_grammar.apply(config, values)
    plain, found = resolve(config)
    problems += found
    e, found = validate(plain, config) if plain is not None else (None, [])
    problems += found
    if e is not None and e.deploy.kind == "none" and not problems:
        problems.append(Problem(KEY, "none is nowhere", ", ".join(MODULES), f"{KEY}={DEFAULT}"))
    if e is None or problems:
        raise RequestError(dict.fromkeys(problems))
    return e


def problems_of(words: Sequence[str], config_dir: str | None = None) -> list[Problem]:
    """What is wrong with `words` whatever the run is."""
    found = [_of_another_group(word) for word in words if not _about_deploy(word)]
    asked = [word for word in words if _about_deploy(word)]
    config, _, values, wrong = composed_with(
        asked if _choice(asked) else [f"{KEY}={DEFAULT}", *asked], config_dir, "config"
    )
    return [*found, *wrong, *override_grammar.apply(config, values)]


def _choice(words: Sequence[str]) -> bool:
    return any(word.startswith(f"{KEY}=") for word in words)


def _unresolved(group: DictConfig) -> object:
    return OmegaConf.to_container(group, resolve=False)


def _about_deploy(word: str) -> bool:
    key = word.lstrip("+~").partition("=")[0]
    return key == KEY or key.startswith(f"{KEY}.")


def _of_another_group(word: str) -> Problem:
    key = word.partition("=")[0]
    near = nearest(key, [KEY, *(name for name in fields() if name.startswith(f"{KEY}."))])
    message = "the run is finished: all that can be said is where it is served"
    return Problem(key, message, f"{KEY}=..., {KEY}.KEY=...", near)
