"""Presets: composed as Hydra composes, as short as can be, and with every text kept as it was."""

import random
import re
from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ftcore.config.compose import compose, composition, experiment_of
from ftcore.config.errors import RequestError
from ftcore.config.groups import conf_dir, config_groups
from ftcore.config.nested import flat
from ftcore.config.xtuner import build
from ftcore.config.xtuner.compare import differences
from ftcore.importing.choices import identities
from ftcore.importing.convert import convert
from ftcore.importing.preset import DEFAULT_CHOICES, MACHINE, Preset, composed

GROUPS = {
    group: choices
    for group, choices in config_groups([conf_dir()]).items()
    if group not in ("experiment", "hardware", "cluster", "search")
}
BASE = {"model": "custom", "data": "custom"}
BRANDS = (
    "alpaca_e3", "alpaca_zh", "oasst1", "moss", "sql", "colorist", "lawyer", "medical", "tokenized",
    "openorca", "code_alpaca", "msagent", "arxiv", "varlen", "sp4", "pretrain", "custom_sft", "full", "128k",
    "json", "int8", "plugins", "deepseek", "enzh", "qwen1_5_110b",
)  # fmt: skip


def as_hydra(groups):
    words = [f"{group}={choice}" for group, choice in (BASE | groups).items()]
    return OmegaConf.to_container(composition([*words, *MACHINE]))


def as_here(groups):
    return OmegaConf.to_container(composed(groups))


@pytest.mark.parametrize("group", ["lora", "parallelism", "precision", "evaluation", "optim"])
def test_composed_as_hydra_does(group):
    """Every choice of a group, by itself, makes the same configuration here and in Hydra."""
    for choice in GROUPS[group]:
        assert as_here({group: choice}) == as_hydra({group: choice}), choice


def test_every_model_and_data_composed_as_hydra_does():
    """So does every choice of every group, beside random choices of the others."""
    draw = random.Random(3)
    shuffled = {group: draw.sample(choices, len(choices)) for group, choices in GROUPS.items()}
    for turn in range(max(map(len, GROUPS.values()))):
        groups = {group: choices[turn % len(choices)] for group, choices in shuffled.items()}
        assert as_here(groups) == as_hydra(groups), groups


def test_composed_is_a_copy():
    """What is done to one composition shows in no other."""
    first = composed({"lora": "qlora"})
    first.lora.rank = 3
    first.optim.lr = 3
    assert composed({"lora": "qlora"}).lora.rank != 3 and composed({}).optim.lr != 3


@pytest.fixture(scope="module")
def imported(shipped):
    """Files spread over models, data and methods, as they are converted."""
    found = []
    for brand in BRANDS:
        named = [stem for stem in shipped if brand in stem and not re.search("llava|dpo|orpo|reward", stem)]
        for stem in random.Random(brand).sample(named, len(named)):
            try:
                found.append(convert(shipped[stem], stem))
                break
            except RequestError:
                continue
    assert len(found) == len(BRANDS)
    return found


def experiment(preset: Preset):
    """What a preset makes; None where it is refused."""
    try:
        return experiment_of(OmegaConf.merge(composed(preset.groups), preset.nested()))
    except RequestError:
        return None


def test_nothing_is_superfluous(imported):
    """Without any one of its overrides or group choices a preset is another experiment, or none."""
    dropped = 0
    for one in imported:
        for key in one.preset.overrides:
            fewer = {name: value for name, value in one.preset.overrides.items() if name != key}
            assert experiment(replace(one.preset, overrides=fewer)) != one.experiment, (one.file.stem, key)
            dropped += 1
        for group in one.preset.groups:
            if group in BASE:
                continue  # none at all would be quickstart's
            fewer = {name: choice for name, choice in one.preset.groups.items() if name != group}
            assert experiment(replace(one.preset, groups=fewer)) != one.experiment, (one.file.stem, group)
            dropped += 1
    assert dropped > 100


def test_no_override_says_what_is_so(imported):
    """No override has the value that the choices make anyhow, and no choice is the default one."""
    for one in imported:
        made = flat(OmegaConf.to_container(composed(one.preset.groups), resolve=False))
        for key, value in one.preset.overrides.items():
            assert made.get(key, ...) != value or isinstance(value, bool) is not isinstance(made[key], bool)
        assert not set(one.preset.groups.items()) & set(DEFAULT_CHOICES.items())


def test_groups_of_that_model_and_data(imported):
    """A model group is that very model, a data group those very sources."""
    for one in imported:
        made = composed(one.preset.groups)
        if one.preset.groups["model"] != "custom":
            assert made.model.path == one.experiment.model.path
            assert "model.path" not in one.preset.overrides
        if one.preset.groups["data"] != "custom":
            made_of = identities(OmegaConf.to_container(made.data))
            assert made_of == identities(one.experiment.data.model_dump())


def test_yaml_is_what_was_meant(imported):
    """The written text has the choices as a defaults list, and the overrides below it."""
    for one in imported:
        text = one.preset.yaml("two\nlines")
        assert text.startswith("# @package _global_\n# two\n# lines\ndefaults:\n")
        written = yaml.safe_load(text)
        choices = {
            key.removeprefix("override /"): name for part in written["defaults"] for key, name in part.items()
        }
        assert choices == one.preset.groups
        assert written["name"] == one.preset.name


PIECES = st.sampled_from(
    ["${", "}", "{", "\\", "$", "'", '"', ":", "#", "\n", " ", "- ", "你好", "é", "lr", "${lr}",
     "${oc.env:HOME}", "{{ fileBasename }}", "%", "@", "&a", "*a", "!x", "1e-4", "null", "true", "\t",
     "\u2028", "|", ">"]
)  # fmt: skip
ANY = st.characters(codec="utf-8", exclude_characters="\x00\x85")  # PyYAML makes a space of U+0085
TEXTS = (st.lists(PIECES, min_size=1, max_size=6).map("".join) | st.text(ANY, min_size=1, max_size=8)).filter(
    lambda text: text != "???"  # OmegaConf's mark of what is missing
)


@settings(max_examples=10, deadline=None)
@example(["\\${lr}", "\\\\${lr}", "${lr}", "a\\", "\\${", "${a}${b}"])
@given(st.lists(TEXTS, min_size=10, max_size=20))
def test_any_text_survives(tmp_path_factory, texts):
    """Texts of any characters come back from the written preset, through Hydra, as they were."""
    first, last = texts[0], texts[-1]
    overrides = {
        "data.format": "openai", "data.path": f"{first}.json", "model.path": last,
        "model.template": "default", "chat_samples.every": 3, "chat_samples.system": last,
        "chat_samples.inputs": texts, "passthrough.set": {"work_dir": [{"x": texts}]},
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("texts")
    (folder / "experiment").mkdir()
    preset = Preset("mine", BASE | {"evaluation": "none"}, overrides)
    (folder / "experiment" / "mine.yaml").write_bytes(preset.yaml("").encode())
    made = compose(["experiment=mine", *MACHINE], config_dir=str(folder)).experiment
    assert (made.model.path, made.data.path) == (last, f"{first}.json")
    assert (made.chat_samples.system, list(made.chat_samples.inputs)) == (last, texts)
    assert made.passthrough.set == {"work_dir": [{"x": texts}]}


def test_passthrough_touches_its_own_place_alone():
    """A setting passed through to one of two equal parts leaves the other one as it was."""
    words = ["model=qwen3_8b", "data=alpaca", "data.path=x", *MACHINE]
    given_to = "+passthrough.set={train_dataloader: {dataset: {tokenizer: {use_fast: false}}}}"
    changed = build(compose([*words, given_to]).experiment)
    paths = [one.path for one in differences(build(compose(words).experiment), changed)]
    assert paths == ["train_dataloader.dataset.tokenizer.use_fast"]
    assert (
        "use_fast" not in changed["tokenizer"] and "use_fast" not in changed["custom_hooks"][0]["tokenizer"]
    )
