"""One XTuner configuration file -> a preset that means the same, with what has no field passed through."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ftcore.config.compose import experiment_of
from ftcore.config.errors import Problem, RequestError
from ftcore.config.nested import put
from ftcore.config.schema import Experiment
from ftcore.config.xtuner import build
from ftcore.config.xtuner.compare import (
    ABSENT,
    CHAT,
    Difference,
    differences,
    dotted,
    system_text,
)
from ftcore.config.xtuner.infer import infer
from ftcore.config.xtuner.kinds import refusal
from ftcore.config.xtuner.parts import at
from ftcore.config.xtuner.read import read
from ftcore.config.xtuner.values import Config
from ftcore.importing.preset import Preset, composed, shortest


@dataclass(frozen=True, slots=True)
class Imported:
    """A configuration file, and the preset that was made of it."""

    file: Path
    settings: Config
    preset: Preset
    experiment: Experiment
    """What the preset composes to on `MACHINE`."""

    passthrough: tuple[Difference, ...]
    """Settings that no typed field has: in the file, and as ftcore alone would have them."""


def convert(file: Path, name: str, deepspeed: str | None = None) -> Imported:
    """The preset for `file`; `deepspeed` is one of XTuner's names for its `--deepspeed`.

    Raises RequestError where the file cannot be read, or is for something else.
    """
    settings = read(file).settings
    if (problem := refusal(settings)) is not None:
        raise RequestError([replace(problem, key=f"{file.name}: {problem.key}")])
    preset = shortest(name, infer(settings), deepspeed.removeprefix("deepspeed_") if deepspeed else "auto")
    experiment = _experiment(preset, file)
    built = build(experiment)
    left = [one for one in compared(settings, experiment) if _stated(one, settings, built)]
    if left:
        preset = _with_passthrough(preset, left, settings, file)
        experiment = _experiment(preset, file)
    return Imported(file, settings, preset, experiment, tuple(left))


def compared(settings: Config, experiment: Experiment) -> list[Difference]:
    """Settings that the configuration of `experiment` has otherwise than `settings`.

    Under ZeRO-3 chat samples do not count: ftcore leaves them out there on purpose (`ftcore.plan.decisions`).
    """
    hooks = settings.get("custom_hooks")
    if experiment.zero_stage == 3 and isinstance(hooks, list):
        kept = [hook for hook in hooks if dotted(str(at(hook, "type"))) != CHAT]
        settings = settings | {"custom_hooks": kept}
    return differences(settings, build(experiment))


def _experiment(preset: Preset, file: Path) -> Experiment:
    """The checked experiment of `preset`, as it will be composed from the written file."""
    config = OmegaConf.merge(composed(preset.groups), preset.nested())
    assert isinstance(config, DictConfig)
    try:
        return experiment_of(config)
    except RequestError as error:
        problems = [replace(problem, key=f"{file.name}: {problem.key}") for problem in error.problems]
        raise RequestError(problems) from None


def _stated(difference: Difference, *configs: Config) -> bool:
    """Whether one of them states it; otherwise it is the default of a `type` that differs too."""
    path = _outside_lists(difference.path)
    return any(at(config, path, ABSENT) is not ABSENT for config in configs)


def _with_passthrough(preset: Preset, left: list[Difference], settings: Config, file: Path) -> Preset:
    given: dict[str, Any] = {}
    remove: list[str] = []
    for difference in left:
        path = _outside_lists(difference.path)
        value = at(settings, path, ABSENT)
        value = difference.first if value is ABSENT else value
        if value is ABSENT:
            remove.append(path)
        else:
            value = _shown(value, settings) if path == "custom_hooks" else value
            put(given, path, _plain(value, f"{file.name}: {path}"))
    overrides = {"passthrough.set": given, "passthrough.remove": sorted(set(remove))}
    return replace(preset, overrides=preset.overrides | {k: v for k, v in overrides.items() if v})


def _shown(hooks: Any, settings: Config) -> Any:
    """`hooks`, with each system text that names variables of the file as it is shown: those stay behind."""
    result = []
    for hook in hooks if isinstance(hooks, list | tuple) else ():
        if isinstance(hook, dict) and dotted(str(hook.get("type"))) == CHAT:
            text = system_text(hook, settings)
            if text != system_text(hook, {}):
                hook = hook | {"system": text.replace("{", "{{").replace("}", "}}")}
        result.append(hook)
    return result or hooks


def _outside_lists(path: str) -> str:
    """`path` up to the first list in it: a list is passed through whole."""
    parts = path.split(".")
    for index, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[:index])
    return path


def _plain(value: Any, path: str) -> Any:
    """`value` as YAML holds it."""
    if isinstance(value, dict):
        if odd := [name for name in value if not isinstance(name, str)]:
            message = f"has the key {odd[0]!r}, and a preset holds only keys that are texts"
            raise RequestError([Problem(path, message)])
        return {name: _plain(inner, f"{path}.{name}") for name, inner in value.items()}
    return [_plain(inner, path) for inner in value] if isinstance(value, list | tuple) else value
