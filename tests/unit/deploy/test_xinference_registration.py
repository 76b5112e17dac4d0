"""What Xinference is told of a model, in both generations."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.deploy.xinference.registration import (
    abilities,
    again,
    engine,
    generation,
    launch,
    owner,
    registration,
    same,
    size_in_billions,
)
from tests.fixtures.deployed import Deploying
from tests.fixtures.served_runs import folders


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return Deploying(folders(tmp_path_factory.mktemp("xinference")), "xinference")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.16.3", 1), ("1.7.1.post1", 1), ("1.8.0", 2), ("v2.0.0", 2), ("4.1.0", 2), ("1.10.0", 2)],
)
def test_generation_of_a_version(version, expected):
    """1.8.0 is the first whose specs are of generation 2; 1.10 is newer than 1.8."""
    assert generation(version) == expected


@pytest.mark.parametrize("version", ["", "main", "unknown"])
def test_what_is_no_version(version):
    """A server that does not say which it is gets no guess."""
    with pytest.raises(ValueError, match="no version"):
        generation(version)


@pytest.mark.parametrize(
    ("billions", "written"),
    [
        (8.03, 8),
        (1.8, "1_8"),
        (0.135, "0_135"),
        (0.5, "0_5"),
        (0.0, "0_001"),
        (70.6, "70_6"),
        (1.0, 1),
        (0.94, "0_94"),
    ],
)
def test_sizes(billions, written):
    """Whole numbers as numbers, others with an underscore: Xinference reads "18" of "1.8"."""
    assert size_in_billions(billions) == written


@given(st.floats(0, 2000, allow_nan=False))
def test_a_size_reads_back(billions):
    """Whatever the size, what is written is near it and never nothing."""
    written = size_in_billions(billions)
    value = float(str(written).replace("_", "."))
    assert value > 0 and abs(value - billions) <= 0.0502 and (isinstance(written, int) or "_" in written)


def test_the_two_generations_differ_in_their_quantizations(target):
    """version and quantization(s), and nothing else."""
    one, two = (registration(target.served, target.settings, number) for number in (1, 2))
    assert (one["version"], two["version"]) == (1, 2)
    (first,), (second,) = one["model_specs"], two["model_specs"]
    assert first.pop("quantizations") == ["none"] and second.pop("quantization") == "none"
    assert one | {"version": 0} == two | {"version": 0}


def test_everything_is_the_models_own(target):
    """Template, ends of a reply, context and place come from what was trained."""
    served = target.model("1", stop=("<|im_end|>",), stop_token_ids=(2, 0))
    spec = registration(served, target.settings, 2)
    assert spec["chat_template"] == served.chat_template and spec["context_length"] == 4096
    assert spec["stop"] == ["<|im_end|>"] and spec["stop_token_ids"] == [2, 0]
    assert spec["model_specs"][0]["model_uri"] == f"file://{served.folder}"
    there = registration(served, target.settings.model_copy(update={"model_path": "/models/x"}), 2)
    assert there["model_specs"][0]["model_uri"] == "file:///models/x"


def test_abilities_are_not_hoped_for(target):
    """chat with a template only; tools never, since Xinference does not read what was taught."""
    assert abilities(replace(target.served, abilities=("chat", "tools"))) == ["generate", "chat"]
    assert abilities(replace(target.served, abilities=())) == ["generate"]


def test_what_is_launched(target):
    """The name is the uid; no card is null to Xinference; options go along and win."""
    settings = target.settings.model_copy(update={"n_gpu": 0, "launch_options": {"max_num_seqs": 4}})
    body = launch(registration(target.served, settings, 1), settings)
    assert body["model_uid"] == body["model_name"] == "x" and body["quantization"] == "none"
    assert body["n_gpu"] is None and body["max_num_seqs"] == 4 and "enable_virtual_env" not in body
    assert launch(registration(target.served, settings, 1), target.settings)["n_gpu"] == "auto"


def test_a_registration_as_the_server_tells_it(target):
    """It has more keys than it was given, none of which make it another one; a changed one does."""
    spec = registration(target.served, target.settings, 2)
    told = spec | {"architectures": None, "is_builtin": False}
    told["model_specs"] = [spec["model_specs"][0] | {"model_hub": "huggingface", "model_revision": None}]
    assert same(told, spec) and "architectures" not in again(told) and "is_builtin" not in again(told)
    assert not same(told | {"context_length": 1}, spec)
    assert not same(told | {"model_specs": [told["model_specs"][0] | {"model_uri": "file:///b"}]}, spec)
    assert owner(told) == f"{target.served.run_name}/{target.served.run_id}"
    assert engine(told) == "transformers"
    other = target.settings.model_copy(update={"engine": "vLLM"})
    assert not same(told, registration(target.served, other, 2))


@pytest.mark.parametrize(
    "description", [None, "", "my ftcore run a/b", "ftcore run a/b and more of mine", "ftcore", "A model."]
)
def test_what_is_not_ours(description):
    """Only what ftcore wrote is its own to replace."""
    assert owner({"model_description": description}) is None
