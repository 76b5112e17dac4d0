"""config_hash: the keys that can change the numbers, in any order, and no others."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel

from ftcore.config.compose import compose
from ftcore.config.fields import fields
from ftcore.config.identity import config_hash
from ftcore.config.schema import Experiment, Source

DCU = compose(["hardware=dcu", "parallelism=zero3_offload", "precision=fp16"]).experiment
QLORA = compose(["hardware=cuda", "lora=qlora", "model=qwen3_8b"]).experiment
QUICK = compose([]).experiment


def leaves() -> list[str]:
    """Keys of the schema that hold values rather than sections."""
    names = list(fields())
    # cache_dir moves the unpacked model with it: below.
    return [k for k in names if k != "cache_dir" and not any(other.startswith(f"{k}.") for other in names)]


def cosmetic(key: str) -> bool:
    """Whether the schema calls `key` unable to change the numbers."""
    return bool((fields()[key].json_schema_extra or {}).get("cosmetic"))


def with_value(section: BaseModel, path: list[str], value: Any) -> BaseModel:
    """A copy of `section` with another value at `path`, unchecked."""
    name, *rest = path
    value = with_value(getattr(section, name), rest, value) if rest else value
    return section.model_copy(update={name: value})


def find(key: str) -> Experiment | None:
    """An experiment that has `key` (not every one has a DeepSpeed block)."""
    for experiment in (QUICK, DCU, QLORA):
        node: Any = experiment
        for part in key.split("."):
            node = getattr(node, part, None) if node is not None and hasattr(node, part) else KeyError
        if node is not KeyError:
            return experiment
    return None


@pytest.mark.parametrize("key", leaves())
def test_hash_changes_with_semantic_keys_alone(key):
    """Another value of a semantic key is another experiment; of a cosmetic key it is the same one."""
    experiment = find(key)
    if experiment is None:
        assert key.startswith(("cluster.", "tracker.", "deploy.")), f"no experiment of this test has {key}"
        return
    changed = with_value(experiment, key.split("."), "another value")
    assert (config_hash(changed) == config_hash(experiment)) is cosmetic(key)


def test_model_path_counts_where_nothing_is_unpacked():
    """A model's folder is semantic, unless the model is unpacked into the cache, wherever that is."""
    changed = with_value(QLORA, ["model", "path"], "elsewhere")
    assert config_hash(changed) != config_hash(QLORA)
    assert config_hash(compose(["cache_dir=/elsewhere"]).experiment) == config_hash(QUICK)
    assert config_hash(compose(["runs_dir=/elsewhere"]).experiment) == config_hash(QUICK)


def test_own_folder_in_place_of_the_unpacked_model_counts():
    """A folder that is typed for a model that would be unpacked is another model, and two are two."""
    own = [config_hash(compose([f"model.path={path}"]).experiment) for path in ("/models/a", "/models/b")]
    assert len({*own, config_hash(QUICK)}) == 3


def test_further_sources_count():
    """A source of `data.mix` is semantic, with its path, its rows and its place; what it is called is too."""
    source = {name: getattr(QUICK.data, name) for name in Source.model_fields}
    one, other = Source(**source | {"path": "a"}), Source(**source | {"path": "b"})
    mixes = [{}, {"x": one}, {"x": other}, {"y": one}, {"x": one, "y": other}, {"x": other, "y": one}]
    hashes = [config_hash(with_value(QUICK, ["data", "mix"], mix)) for mix in mixes]
    assert len(set(hashes)) == len(mixes)


def test_order_of_keys_does_not_count():
    """The hash of a mapping is the same whatever the order its keys were written in."""
    tuning = ("reduce_bucket_size", 1), ("sub_group_size", 2)
    path = ["parallelism", "deepspeed", "zero_optimization", "tuning"]
    hashes = {config_hash(with_value(DCU, path, dict(order))) for order in (tuning, tuning[::-1])}
    assert len(hashes) == 1


def test_feeding_keys_count_by_what_they_feed():
    """lr and rank are cosmetic themselves and change optim.lr and lora.rank, which are not."""
    assert config_hash(compose(["lr=0.5"]).experiment) != config_hash(QUICK)
    assert config_hash(compose(["lr=0.5", "optim.lr=1e-3"]).experiment) == config_hash(QUICK)


def test_names_do_not_count():
    """Renaming a run, moving it, or logging it otherwise makes it no other experiment."""
    other = compose(["name=other", "runs_dir=/tmp/x", "logging.every=3", "checkpoint.keep=9"]).experiment
    assert config_hash(other) == config_hash(QUICK)


@pytest.mark.parametrize("group", ["cluster", "tracker", "deploy"])
def test_every_key_of_the_group_is_cosmetic(group):
    """Where a job is queued, who is shown its figures, and where it is served change nothing it computes."""
    kinds = Experiment.model_fields[group].annotation
    for kind in get_args(kinds):
        for name, field in kind.model_fields.items():
            assert (field.json_schema_extra or {}).get("cosmetic"), f"{kind.__name__}.{name}"
