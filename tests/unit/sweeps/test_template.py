"""A composition that is varied says what composing anew would, of right values and of wrong ones."""

# ruff: noqa: E501 (lists of words)

import random
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.config.compose import CONFIG_NAME, compose
from ftcore.config.errors import RequestError
from ftcore.config.overrides import parse_one
from ftcore.config.template import Template
from tests.unit.config.strategies import GROUPS, override_sets, spell

FIXED = [
    ["hardware=cpu"],
    ["hardware=cuda", "lora=qlora", "parallelism=zero2"],
    ["hardware=dcu", "cluster=slurm", "nodes=2", "+cluster.env.OMP_NUM_THREADS=4", "runs_dir=a b"],
    ["model=qwen3_8b", "data=openai_jsonl", "data.path=x", "lora=full", "hardware=cpu", "rank=-1"],
]
"""What a sweep says once; the last one is wrong by itself."""

ODD = [
    # others are interpolated from these
    "nodes=3", "nodes=0", "hardware.accelerator=dcu", "hardware.devices_per_node=2", "runs_dir=elsewhere",
    "runs_dir=''", "cache_dir=here", "model.name=other", "data.name=other", "name=${model.name}-x",
    "hardware.arch=gfx906", "hardware.arch=null", "cluster.mem=3G", "cluster.partition=normal", "lr=${optim.eps}",
    "model.lora_targets=[a]", "data.shuffle=false", "optim.lr=0.5", "lora.rank=3", "cluster.gres=null",
    # lists, dictionaries, new keys, keys left out
    "optim.betas=[0.5,0.6]", "optim.betas=[0.5]", "optim.betas.0=0.5", "optim.betas=0.5", "lora.targets=[q,v]",
    "lora.targets=null", "chat_samples.inputs=['${name}','a b']", "hardware.env={A: b}", "+hardware.env={A: b}",
    "+hardware.env.OMP_NUM_THREADS=1", "++cluster.env.OMP_NUM_THREADS=2", "cluster.env.OMP_NUM_THREADS=3",
    "~cluster.env.OMP_NUM_THREADS", "~cluster.env", "~lr", "~lora.targets", "checkpoint={keep: 5}",
    "checkpoint={kep: 5}", "+passthrough.set={optim_wrapper.x: 1}",
    # wrong
    "lr=x", "lr=-1", "lr=null", "lr=???", "lr=[1]", "lr={a: 1}", "rank=1.5", "max_length=0", "seed=-1", "lx=1",
    "optim.beta=1", "+lr=3", "+foo=3", "lr=${no.such}", "lr=${lr}", "lr=${optim.lr}", "name=../x", "epochs=nan",
    "name=???", "data.path=null", "cluster.kind=pbs", "cluster.time='0:30'", "model.path=3", "a.b.c=1",
    "parallelism.sequence_parallel=3", "precision.dtype=fp16", "chat_samples.every=5", "name='a\\${b}'",
    "evaluation.kind=none", "tracker.kind=mlflow", "name='${ftcore.last_part:${model.path}}'",
]  # fmt: skip

RIGHT = override_sets().map(
    lambda chosen: [f"{key}={spell(value)}" for key, value in chosen.items() if key not in GROUPS]
)
VARIED = st.tuples(RIGHT, st.lists(st.sampled_from(ODD), max_size=3, unique=True)).map(
    lambda both: [*both[0][:4], *both[1]]
)


@cache
def template(number: int) -> Template:
    """Of FIXED, shared by all tests: none may leave anything of its variations there."""
    return Template(FIXED[number], None, CONFIG_NAME)


@cache
def composed_anew(*texts: str):
    """What the slow way says: experiment, choices and overrides, or the problems."""
    try:
        composed = compose(list(texts))
    except RequestError as error:
        return None, set(error.problems)
    return (composed.experiment, composed.choices, composed.overrides), set()


def varied(template: Template, words: Sequence[str] = ()):
    """The same of the template."""
    composed, problems = template.vary([parse_one(word) for word in words])
    if composed is None:
        return None, set(problems)
    return (composed.experiment, composed.choices, composed.overrides), set(problems)


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, len(FIXED) - 1),
    st.lists(VARIED, min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_as_composed_anew(number, variations, generator: random.Random):
    """Whatever is varied, one after another in any order: the experiment, its choices and overrides, and
    every problem in the same words, are those of a composition of its own."""
    fixed = FIXED[number]
    for words in variations:
        generator.shuffle(words)
        assert varied(template(number), words) == composed_anew(*fixed, *words)


@pytest.mark.parametrize("word", ODD)
def test_each_odd_word(word):
    """One by one too, since a wrong value beside it can hide what becomes of a word; nothing stays."""
    number = ODD.index(word) % 3
    fixed = FIXED[number]
    assert varied(template(number), [word]) == composed_anew(*fixed, word)
    assert varied(template(number)) == composed_anew(*fixed)


def test_a_key_that_every_trial_gives():
    """What is missing in the composition may come from what is varied."""
    fixed = ["hardware=cpu", "model=qwen3_8b", "data=openai_jsonl", "data.path=???"]
    alone = Template(fixed, None, CONFIG_NAME)
    assert varied(alone, ["data.path=a.jsonl"])[0][0].data.path == "a.jsonl"
    assert varied(alone) == composed_anew(*fixed)
    assert varied(alone, ["data.path=b", "lr=-1"]) == composed_anew(*fixed, "data.path=b", "lr=-1")


def test_wrong_before_anything_is_varied():
    """What cannot be composed at all is told once, not by every trial."""
    with pytest.raises(RequestError) as caught:
        Template(["model=qwen", "foo=1", "lr=1e-4,2e-4"], None, CONFIG_NAME)
    assert {problem.key for problem in caught.value.problems} == {"model", "foo", "lr"}
