"""The comparison sees whatever is changed in a shipped configuration, and whatever is taken out of it."""

import random

import pytest

from ftcore.config.errors import RequestError
from ftcore.config.xtuner.compare import (
    LOG_ONLY,
    READ_BY_XTUNER,
    SEEDED_SAMPLERS,
    TOP_LEVEL,
    _defaults,
    differences,
    dotted,
)
from ftcore.config.xtuner.kinds import refusal
from ftcore.config.xtuner.parts import at
from ftcore.config.xtuner.read import read

FILES = 40
ABSENT = object()


@pytest.fixture(scope="module")
def sampled(shipped):
    """Forty fine-tunings spread over all that are shipped, always the same ones."""
    chosen = []
    for file in random.Random(7).sample(list(shipped.values()), len(shipped)):
        try:
            settings = read(file).settings
        except RequestError:
            continue
        if refusal(settings) is None:
            chosen.append(settings)
    return chosen[:FILES]


def leaves(node, path=()):
    """Path and value of everything that holds nothing more."""
    pairs = (
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    )
    if not pairs or not node:
        yield path, node
        return
    for name, value in pairs:
        yield from leaves(value, (*path, name))


def settings_of(config):
    """Leaves of what XTuner reads that no rule calls indifferent."""
    return [
        (path, value)
        for path, value in leaves(config)
        if path[0] in READ_BY_XTUNER and not indifferent(config, path)
    ]


def indifferent(config, path):
    """Whether the rule seed, sampler seed or log only says that the value at `path` is no matter."""
    if path in (("randomness", "seed"), ("log_processor", "by_epoch")):
        return True
    if path == ("train_dataloader", "sampler", "seed"):
        return dotted(config["train_dataloader"]["sampler"]["type"]) in SEEDED_SAMPLERS
    if path[0] != "custom_hooks" or len(path) < 3 or path[2] == "type":
        return False
    return dotted(config["custom_hooks"][path[1]]["type"]) in LOG_ONLY


def with_leaf(node, path, value):
    """A copy of `node` with another value at `path`; without it where that is ABSENT."""
    if not path:
        return value
    result = dict(node) if isinstance(node, dict) else list(node)
    if len(path) == 1 and value is ABSENT:
        del result[path[0]]
    else:
        result[path[0]] = with_leaf(node[path[0]], path[1:], value)
    return result


def another(value):
    """Another value of the same type; of nothing, a text."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, dict):
        return {"more": 1}
    return ["more"] if isinstance(value, list | tuple) else f"{value}-other"


def default_of(config, path):
    """The value that a setting has where it is not stated; ABSENT where it has none."""
    if len(path) == 1:
        return {"custom_hooks": [], **TOP_LEVEL}.get(path[0], ABSENT)
    if path[0] == "randomness":
        return {"deterministic": False}.get(path[1], ABSENT)
    parent = at(config, ".".join(map(str, path[:-1])))
    defaults = _defaults(dotted(str(parent.get("type")))) if isinstance(parent, dict) else {}
    return defaults.get(path[-1], ABSENT)


def test_no_change_goes_unseen(sampled):
    """Whatever single setting gets another value, it is told under its part of the configuration."""
    tried = 0
    for config in sampled:
        for path, value in settings_of(config):
            found = differences(config, with_leaf(config, path, another(value)))
            assert any(one.path.split(".")[0] == path[0] for one in found), (path, value)
            tried += 1
    assert tried > 50 * FILES


def test_no_removal_goes_unseen(sampled):
    """Whatever setting is taken out is told, unless it said what is so anyhow."""
    told = silent = 0
    for config in sampled:
        for path, value in settings_of(config):
            if differences(config, with_leaf(config, path, ABSENT)):
                told += 1
                continue
            silent += 1
            plain = list(value) if isinstance(value, tuple) else value
            assert default_of(config, path) == plain, path
    assert told > 40 * FILES and silent > FILES


def test_no_hook_or_scheduler_goes_unseen(sampled):
    """A hook, a scheduler or a dataset more or less is told, unless it only shapes the log."""
    for config in sampled:
        for name in ("custom_hooks", "param_scheduler"):
            for index, one in enumerate(config[name]):
                fewer = [other for i, other in enumerate(config[name]) if i != index]
                found = differences(config, config | {name: fewer})
                assert bool(found) is (dotted(one["type"]) not in LOG_ONLY), (name, one)
            assert differences(config, config | {name: [*config[name], {"type": "my.Own"}]})


def test_same_is_same(sampled):
    """A configuration does not differ from itself, and does from every other of its family."""
    for config, other in zip(sampled, [*sampled[1:], sampled[0]], strict=True):
        assert differences(config, config) == []
        assert differences(config, other)
