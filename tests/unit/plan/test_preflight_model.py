"""A model's folder that could not be loaded is told before anything starts: missing, or not all there."""

import json
import shutil

import pytest

from ftcore.config.compose import compose
from ftcore.plan.preflight import model, preflight
from ftcore.plan.preflight_adapters import adapters


@pytest.fixture
def folder(tiny, tmp_path):
    """A whole model's folder to spoil."""
    return shutil.copytree(tiny.model, tmp_path / "model")


def told(folder, *words: str) -> list[str]:
    """What is said of `model.path`."""
    words = words or ("model=custom", "model.template=qwen_chat")
    e = compose([*words, f"model.path={folder}", "hardware=cpu"]).experiment
    found = list(model(e))
    assert set(found) <= set(preflight(e)) and {problem.key for problem in found} <= {"model.path"}
    return [problem.message for problem in found]


def test_whole_folder(folder):
    """Nothing is said of a folder that can be loaded."""
    assert told(folder) == []


def test_download_that_broke_off(folder):
    """A safetensors file shorter than its header says is named, with both sizes."""
    file = folder / "model.safetensors"
    whole = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-100])
    (message,) = told(folder)
    assert f"model.safetensors has {whole - 100:,} bytes of {whole:,}" in message


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"])
def test_no_safetensors(folder, content):
    """An empty file, or the pointer that git leaves without its large files, is no model."""
    (folder / "model.safetensors").write_bytes(content)
    assert told(folder) == [f"{folder}: model.safetensors is no safetensors file"]


def test_everything_at_once(folder):
    """A folder of something else is told of all that it lacks."""
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    assert told(folder) == [
        f"{folder}: no config.json in it",
        f"{folder}: no weights in it (*.safetensors or *.bin)",
    ]


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_config_that_is_none(folder, text):
    """A config.json that is no JSON object is told."""
    (folder / "config.json").write_text(text)
    assert len(told(folder)) == 1 and "config.json" in told(folder)[0]


def test_shard_that_is_not_there(folder):
    """A file that the index names and that is not there is told."""
    shards = {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert told(folder) == [f"{folder}: 1 of its files of weights missing: {shards['b']}"]


def test_misspelt_folder_is_not_made(tmp_path):
    """The packaged model is unpacked into the cache alone: another folder that is not there is refused."""
    assert told(tmp_path / "nothing", "model=smollm2_135m_instruct", "data=openai_jsonl") == [
        f"no such folder: {tmp_path / 'nothing'}"
    ]
    e = compose([f"cache_dir={tmp_path}", "hardware=cpu"]).experiment
    assert list(model(e)) == []


def test_layers_that_the_model_has_not(folder):
    """A misspelt layer is told even where others are right: PEFT would train those alone, in silence."""
    words = ["model=custom", "model.template=qwen_chat", f"model.path={folder}", "hardware=cpu"]
    e = compose([*words, "lora.targets=[q_prj,v_proj,lm_head,0.mlp.up_proj]"]).experiment
    (problem,) = adapters(e)
    assert (problem.key, problem.nearest) == (
        "lora.targets",
        "q_proj",
    ) and "no layer q_prj" in problem.message
    assert problem in preflight(e)
    for right in ([], ["lora=full"], ["lora.targets=[gate_proj]"]):
        assert list(adapters(compose([*words, *right]).experiment)) == []
