"""The shortest set of group choices and overrides that makes wanted values, and its YAML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftcore.config import plain_yaml
from ftcore.config.compose import composition
from ftcore.config.nested import flat, put
from ftcore.config.xtuner.infer import Values
from ftcore.config.xtuner.values import number
from ftcore.importing.choices import OWN, choices, data_choice, model_choice, nearest_choice

DEFAULT_CHOICES = {
    "chat_samples": "none", "parallelism": "auto", "precision": "auto", "lora": "lora", "tracker": "none",
}  # fmt: skip
"""Choices that `conf/config.yaml` makes already."""

CARDS = 8
"""Devices of a node that a sequence is spread over before a second node is asked for."""

ALIAS = re.compile(r"^\$\{([\w.]+)\}$")
BEFORE_BRACE = re.compile(r"(\\*)\$\{")

MACHINE = ("hardware=cuda", f"hardware.devices_per_node={CARDS}")
"""The machine that an imported experiment is composed on to be looked at: XTuner's files are for
accelerators, and what is written must not depend on the machine it was written on."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Group choices and overrides, in the order of `conf/config.yaml`."""

    name: str
    groups: dict[str, str]
    overrides: dict[str, Any] = field(default_factory=dict)
    """Dotted key -> value."""

    def nested(self) -> dict[str, Any]:
        """Name and overrides as they stand in a YAML file, with every `${` kept from interpolating."""
        root: dict[str, Any] = {"name": self.name}
        for key, value in self.overrides.items():
            put(root, key, _escaped(value))
        return root

    def yaml(self, comment: str) -> str:
        """A file for `conf/experiment/`, under `comment` as comment lines."""
        lines = ["# @package _global_", *(f"# {line}".rstrip() for line in comment.splitlines())]
        lines += ["defaults:", *(f"  - override /{group}: {choice}" for group, choice in self.groups.items())]
        return "\n".join(lines) + "\n\n" + plain_yaml.dump(self.nested())


def shortest(name: str, wanted: Values, parallelism: str) -> Preset:
    """The preset of fewest overrides whose experiment has every value of `wanted`.

    Choices that stand in `conf/config.yaml` anyhow are left out.
    """
    values = dict(wanted)
    groups = {
        "model": model_choice(below(values, "model")),
        "data": data_choice(below(values, "data") | {"mix": values.get("data.mix", {})}),
        "lora": values["lora.method"],
        "parallelism": parallelism,
        "precision": values["precision.dtype"],
        "evaluation": "none",
        "chat_samples": _chat_choice(values),
        "tracker": values.get("tracker.kind", "none"),
    }
    if groups["model"] == OWN:  # which has none of its own; rows that are put in none need not state it
        values.setdefault("model.template", "default")
    values["data.mix"] = _renamed(groups["data"], values.get("data.mix", {}))
    _placed(values, parallelism)
    groups = {group: choice for group, choice in groups.items() if DEFAULT_CHOICES.get(group) != choice}
    made = _resolved(flat(OmegaConf.to_container(composed(groups))))
    given = flat({key: value for key, value in values.items() if key != "data.mix"})
    given |= flat(values["data.mix"], "data.mix.")
    overrides = {key: value for key, value in given.items() if not _same(made.get(key, ...), value)}
    length, context = values.get("max_length", made["max_length"]), made["model.context_length"]
    if context is not None and length > context:
        overrides["model.context_length"] = None
    preset = Preset(name, groups, _in_order(overrides, made))
    return _without_what_is_computed(preset, [key for key in overrides if "${" in str(made.get(key))])


def composed(groups: Mapping[str, str]) -> DictConfig:
    """What `groups` compose to on `MACHINE`, unresolved; a copy.

    Hydra composes once, and each group's node is then put in place of the default one: choices of different
    groups hold different keys, so the result is Hydra's own (a test compares), in a tenth of the time.
    """
    base = _defaults().copy()
    OmegaConf.set_struct(base, False)
    for group, choice in groups.items():
        base[group] = choices(group)[choice]
    return base


@cache
def _defaults() -> DictConfig:
    return composition(["model=custom", "data=custom", *MACHINE])  # none chosen would be quickstart


def below(values: Mapping[str, Any], group: str) -> dict[str, Any]:
    """The values under `group`, keys without its name."""
    return {
        key.removeprefix(f"{group}."): value for key, value in values.items() if key.startswith(f"{group}.")
    }


def _resolved(made: dict[str, Any]) -> dict[str, Any]:
    """`made` with each `${key}` followed; whatever else is computed is left as it is."""
    result: dict[str, Any] = {}
    for key, value in made.items():
        while (alias := ALIAS.match(str(value))) and alias[1] in made:
            value = made[alias[1]]
        result[key] = value
    return result


def _without_what_is_computed(preset: Preset, keys: list[str]) -> Preset:
    """`preset` without those overrides of `keys` that the interpolations in their place come to anyhow."""
    for key in keys:
        fewer = {name: value for name, value in preset.overrides.items() if name != key}
        shorter = replace(preset, overrides=fewer)
        config = OmegaConf.merge(composed(preset.groups), shorter.nested())
        try:
            made = OmegaConf.select(config, key)
        except OmegaConfBaseException:
            continue  # what it is made of is yet to be given
        preset = shorter if made == preset.overrides[key] else preset
    return preset


def _chat_choice(values: Values) -> str:
    if not values["chat_samples.every"]:
        return "none"
    asked = values["chat_samples.inputs"]
    same = [name for name, node in choices("chat_samples").items() if node["inputs"] == asked]
    return nearest_choice("chat_samples", below(values, "chat_samples"), same or ["none"])


def _renamed(choice: str, mix: dict[str, Any]) -> dict[str, Any]:
    """Further sources under the names that the chosen group has for them."""
    names = choices("data")[choice].get("mix", {}) if choice != OWN else {}
    return dict(zip(names, mix.values(), strict=True)) if names else mix


def _placed(values: Values, parallelism: str) -> None:
    """Nodes enough for a sequence to be spread over; what the launch line of XTuner says, no file does.

    Under DeepSpeed `precision.weights: auto` is what is computed in; where every weight is trained, `infer`
    takes it for fp32.
    """
    if values["lora.method"] == "full" and parallelism.startswith("zero"):
        stated = values["precision.weights"].replace("auto", "fp32")
        values["precision.weights"] = "auto" if stated == values["precision.dtype"] else stated
    size = values.get("parallelism.sequence_parallel", 1)
    if not isinstance(size, int):
        return  # told when the experiment is checked
    if size > CARDS:
        values["nodes"] = -(-size // CARDS)
    if size > 1:
        values["model.attention"] = "flash_attention_2"


def _same(made: Any, value: Any) -> bool:
    return made == value and isinstance(made, bool) == isinstance(value, bool)


def _in_order(overrides: dict[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Top-level keys first, otherwise as in `made`; whole numbers as people write them."""
    place = {key: index for index, key in enumerate(made)}
    keys = sorted(overrides, key=lambda key: ("." in key, place.get(key, len(place))))
    return {key: _written(overrides[key]) for key in keys}


def _written(value: Any) -> Any:
    return number(value) if isinstance(value, float) else value


def _escaped(value: Any) -> Any:
    """`value` with every `${` kept from being an interpolation; backslashes before one count in pairs."""
    if isinstance(value, str):
        return BEFORE_BRACE.sub(r"\1\1\\${", value)
    if isinstance(value, Mapping):
        return {name: _escaped(inner) for name, inner in value.items()}
    return [_escaped(inner) for inner in value] if isinstance(value, list | tuple) else value
