"""Overrides in Hydra's grammar: read, told apart into group choices and values, applied as data.

A group choice changes which files are composed, so it goes to Hydra. A value changes one key of what was
composed, so it is set on a copy: many trials then share one composition (a thousand of them take seconds).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf._utils import split_key
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from ftcore.config.errors import Problem, listed, nearest, shortened
from ftcore.config.fields import fields, is_free_entry, open_mappings

NOT_ASCII = re.compile(r"[^\x00-\x7f]")

FUNCTIONS = (
    "choice", "range", "interval", "glob", "tag", "sort", "shuffle", "int", "float", "str", "bool",
    "json_str", "extend_list",
)  # fmt: skip
"""Of Hydra's grammar."""

MEANT = {
    "gpu": "cuda", "nvidia": "cuda", "rocm": "dcu", "hip": "dcu", "hygon": "dcu",
    "half": "fp16", "float16": "fp16", "bfloat16": "bf16", "float32": "fp32",
}  # fmt: skip
"""What a choice is called elsewhere; by spelling `gpu` would be nearest to `cpu`."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Overrides by what they do."""

    groups: tuple[Override, ...]
    values: tuple[Override, ...]


def parse(texts: Sequence[str], groups: dict[str, tuple[str, ...]]) -> tuple[Overrides, list[Problem]]:
    """Read `texts`; `groups` maps each config group to its choices. Wrong ones are left out and told."""
    chosen: list[Override] = []
    values: list[Override] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            override = parse_one(text)
        except HydraException as error:
            problems.append(not_an_override(text, error, "key=value"))
            continue
        key = override.key_or_group
        if override.is_sweep_override():
            problems.append(Problem(key, "several values make a sweep", nearest=f"-m {shortened(text)}"))
        elif key.split(".")[0] == "search":
            problems.append(Problem(key, "is about a sweep", nearest=f"-m {shortened(text.lstrip('+'))}"))
        elif re.split(r"[./]", key)[0] == "hydra":
            message = "Hydra composes and does not run ftcore, so its own settings change nothing"
            problems.append(Problem(key, message))
        elif key not in groups:
            values.append(override)
        elif problem := _wrong_choice(override, groups[key]):
            problems.append(problem)
        else:
            chosen.append(override)
    return Overrides(tuple(chosen), tuple(values)), problems


def parse_one(text: str) -> Override:
    """One override. Raises HydraException where it is none.

    Hydra's lexer knows only ASCII outside quotes; other words are quoted for it, so that `name=试验` works.
    """
    parser = OverridesParser.create()
    if text.startswith("="):
        raise HydraException("no key")
    try:
        return parser.parse_override(text)
    except HydraException:
        if not NOT_ASCII.search(text):
            raise
    except RecursionError:
        raise HydraException("nested too deeply") from None
    return parser.parse_override(_with_quotes(text))


def not_an_override(text: str, error: HydraException, allowed: str = "") -> Problem:
    """What is wrong with `text`, in Hydra's words but for the list of all tokens that could have been."""
    reason = re.sub(r" expecting .*", "", str(error).splitlines()[0])
    found = re.search(r"Unknown function '(\w+)'", reason)
    near = nearest(found[1], FUNCTIONS) if found else ""
    return Problem(shortened(text), f"not an override ({shortened(reason)})", allowed, near)


def apply(config: DictConfig, values: Iterable[Override]) -> list[Problem]:
    """Set each value on `config` in place, as Hydra would; what cannot be set is told."""
    return [problem for override in values if (problem := _set(config, override))]


def node_at(config: Any, key: str) -> Any:
    """The unresolved OmegaConf node at the dotted `key`, or None where there is none."""
    node = config
    for part in split_key(key):
        content = node._content if isinstance(node, (DictConfig, ListConfig)) else None
        if isinstance(content, dict) and part in content:
            node = content[part]
        elif isinstance(content, list) and part.isdecimal() and int(part) < len(content):
            node = content[int(part)]
        else:
            return None
    return node


def restore(config: DictConfig, untouched: DictConfig, key: str) -> None:
    """Give `key` of `config` the value it has in `untouched` (lists whole), or drop it."""
    parent, _, name = key.rpartition(".")
    holder = node_at(config, parent) if parent else config
    if isinstance(holder, ListConfig):
        restore(config, untouched, parent)
    elif isinstance(holder, DictConfig):
        original = node_at(untouched, key)
        with open_dict(config):
            if original is not None:
                value = original if OmegaConf.is_config(original) else original._value()
                OmegaConf.update(config, key, value, merge=False)
            elif node_at(config, key) is not None:
                del holder[name]


def _with_quotes(text: str) -> str:
    """`text` with every unquoted word of its value that is not ASCII in single quotes."""
    key, _, value = text.partition("=")
    if "${" in value:
        return f"{key}='{value}'" if "'" not in value else text
    between = r"[^,\[\]{}:'\"]+" if value.startswith("{") else r"[^,\[\]{}'\"]+"

    def quote(match: re.Match[str]) -> str:
        word = match[0].strip()
        return match[0].replace(word, f"'{word}'") if NOT_ASCII.search(word) else match[0]

    quoted_or_word = rf"'[^']*'|\"[^\"]*\"|{between}"
    return f"{key}=" + re.sub(
        quoted_or_word, lambda match: match[0] if match[0][0] in "'\"" else quote(match), value
    )


def _wrong_choice(override: Override, choices: tuple[str, ...]) -> Problem | None:
    group = override.key_or_group
    if override.is_delete():
        return Problem(group, "a group cannot be left out", listed(choices))
    choice = override.value()
    if (override.is_add() or override.is_force_add()) and (group in fields() or group == "experiment"):
        return Problem(f"+{group}", "every experiment has it already", nearest=f"{group}={choice}")
    if override.package is not None:
        return Problem(f"{group}@{override.package}", "a group's place is fixed", nearest=f"{group}={choice}")
    if (choice is None and group == "experiment") or choice in choices:
        return None
    message = f"no choice named {choice!r}"
    meant = MEANT.get(str(choice).lower())
    near = meant if meant in choices else nearest(str(choice), choices)
    return Problem(group, message, listed(choices, str(choice)), near)


def _no_such_key(key: str, override: Override) -> Problem:
    if key in fields():
        return Problem(key, f"this experiment has no {key.rpartition('.')[0]}")
    if is_free_entry(key) and not override.is_delete():
        return Problem(key, "no such key yet", nearest=f"+{key}=...")
    return Problem(key, "no such key", nearest=nearest(key, fields()))


def _set(config: DictConfig, override: Override) -> Problem | None:
    key, exists = override.key_or_group, node_at(config, override.key_or_group) is not None
    if override.is_delete() and key in fields():
        return Problem(key, "cannot be left out")
    if exists and override.is_add() and not isinstance(override.value(), (dict, list)):
        return Problem(f"+{key}", "is there already", nearest=shortened((override.input_line or "")[1:]))
    if not exists and not (override.is_add() or override.is_force_add()):
        return _no_such_key(key, override)
    try:
        # Hydra's own function, so that `+`, `++`, `~` and merging are what Hydra has them be.
        ConfigLoaderImpl._apply_overrides_to_config([override], config)
    except (HydraException, OmegaConfBaseException, TypeError, ValueError, AssertionError) as error:
        if key in open_mappings() and isinstance(error.__cause__, ConfigKeyError):
            return Problem(key, "no such key yet", nearest=f"+{key}=...")
        reason = str(error.__cause__ or error).strip().splitlines()
        return Problem(key, shortened(reason[0] if reason else type(error).__name__))
    return None
