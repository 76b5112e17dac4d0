"""What holds for any overrides: frozen files say the same, Hydra composes the same, order does not count."""

import random

import hydra
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ftcore.config.compose import compose, hydra_configs, load, to_yaml
from ftcore.config.identity import config_hash
from tests.unit.config.strategies import GROUPS, override_sets, texts

FEW = settings(max_examples=8, deadline=None)


@FEW
@given(override_sets())
def test_frozen_file_says_the_same(tmp_path_factory, overrides):
    """to_yaml and load give an equal experiment with the same hash."""
    experiment = compose(texts(overrides)).experiment
    file = tmp_path_factory.mktemp("frozen") / "config.yaml"
    file.write_text(to_yaml(experiment), encoding="utf-8")
    assert load(file) == experiment
    assert config_hash(load(file)) == config_hash(experiment)


@FEW
@given(st.text(min_size=1))
def test_any_text_survives_the_frozen_file(tmp_path_factory, text):
    """A text of any characters (`${`, quotes, `1e-4`, line ends) comes back from config.yaml as it was."""
    experiment = compose([]).experiment
    samples = experiment.chat_samples.model_copy(update={"system": text, "inputs": (text,)})
    experiment = experiment.model_copy(update={"chat_samples": samples})
    file = tmp_path_factory.mktemp("frozen") / "config.yaml"
    file.write_bytes(to_yaml(experiment).encode())
    assert load(file) == experiment


@FEW
@given(override_sets())
def test_hydra_composes_the_same(overrides):
    """Values set as data on a composition are what Hydra's own compose makes of the same overrides."""
    given_texts = texts(overrides)
    ours = compose(given_texts).experiment
    chosen = set(overrides) & set(GROUPS)
    completed = [*given_texts] + (["hardware=cpu"] if "hardware" not in chosen else [])
    completed += [] if {"model", "data"} & chosen else ["experiment=quickstart"]
    with hydra_configs(None):
        theirs = OmegaConf.to_container(hydra.compose("config", overrides=completed), resolve=True)
    assert type(ours).model_validate(theirs) == ours


@FEW
@given(override_sets(), st.randoms(use_true_random=False))
def test_order_of_overrides_changes_nothing(overrides, generator: random.Random):
    """The same overrides in another order are the same experiment."""
    shuffled = texts(overrides)
    generator.shuffle(shuffled)
    assert config_hash(compose(shuffled).experiment) == config_hash(compose(texts(overrides)).experiment)


@FEW
@given(st.dictionaries(st.sampled_from(["A", "B", "C"]), st.text("abc", min_size=1), min_size=1))
def test_adding_and_merging_as_hydra(env):
    """`+key`, `++key` and dictionaries merge into what is there, as they do in Hydra."""
    given_texts = ["hardware=cuda", *(f"+hardware.env.{name}={value}" for name, value in env.items())]
    given_texts += ["+hardware.env={D:d}", "++cluster.env.E=e", "hardware.env={}"]
    with hydra_configs(None):
        theirs = hydra.compose("config", overrides=[*given_texts, "experiment=quickstart"])
    ours = compose(given_texts).experiment
    assert ours.hardware.env == OmegaConf.to_container(theirs.hardware.env, resolve=True)
    assert ours.cluster.env == OmegaConf.to_container(theirs.cluster.env, resolve=True)
