"""ftcore's parts are refused for a model that they are not written for, where its folder can be seen; so is
what PEFT does not adapt of experts."""

import json

import pytest

from ftcore.config.compose import compose
from ftcore.config.schema.kernels import FUSED_FAMILIES
from ftcore.plan.preflight import kernels, preflight
from ftcore.plan.preflight_adapters import adapters
from ftcore.plan.shapes import KNOWN

H100 = ["hardware=cuda", "hardware.arch=sm_90", "precision=bf16"]


@pytest.fixture
def told(tmp_path):
    """Keys of the problems with a model folder whose `config.json` is this text."""

    def keys(config: str | None, *words: str) -> list[str]:
        if config is not None:
            (tmp_path / "config.json").write_text(config, encoding="utf-8")
        model = ["model=custom", f"model.path={tmp_path}", "model.template=qwen_chat"]
        e = compose([*H100, *model, *words]).experiment
        found = [*kernels(e), *adapters(e)]
        assert set(found) <= set(preflight(e))
        return [problem.key for problem in found]

    return keys


@pytest.mark.parametrize("family", FUSED_FAMILIES)
def test_family_that_there_are_layers_for(told, family):
    """llama, mistral and qwen2 are taken."""
    assert told(json.dumps({"model_type": family}), "kernels=fast_fp8") == []


def test_other_family(told):
    """Another family is told of each order that it cannot follow, and of none where it was left to ftcore."""
    other = json.dumps({"model_type": "internlm2"})
    fast = ["kernels.layers", "kernels.loss", "kernels.attention"]
    assert told(other, "kernels=fast") == fast
    assert told(other, "kernels=fast_fp8") == [*fast, "kernels.frozen_weights"]
    assert told(other, "kernels=stock", "kernels.loss=fused") == ["kernels.loss"]
    assert told(other, "kernels.frozen_weights=fp8") == ["kernels.frozen_weights"]
    assert told(other, "kernels=auto") == told(other, "kernels=stock") == []


@pytest.mark.parametrize("config", [None, "{", "[]", "{}", "null", "\x00"])
def test_family_that_cannot_be_told(told, config):
    """A model that is elsewhere, or whose configuration cannot be read, is the worker's to judge."""
    assert told(config, "kernels=fast_fp8") == []


MOE = KNOWN["Qwen3-30B-A3B"]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["lora.targets=[q_proj,gate_proj,up_proj,down_proj]"], []),
        (["lora.targets=[q_proj,gate_proj,up_proj]", "lora.dropout=0.1"], ["lora.dropout"]),
        (["lora.targets=[q_proj,v_proj]", "lora.dropout=0.1"], []),
        (["lora.targets=null", "lora.dropout=0.1"], []),
        (["lora.targets=[down_proj,up_proj]"], ["lora.targets"]),
        (["lora.targets=[gate_proj]", "lora.dropout=0.1"], ["lora.dropout", "lora.targets"]),
        (["lora=full", "lora.dropout=0.1"], []),
    ],
    ids=" ".join,
)
def test_adapters_of_experts(told, words, keys):
    """No dropout, and gate and up together; told before anything is queued."""
    assert told(json.dumps(MOE), "kernels=stock", *words) == keys


def test_a_dense_model_takes_either(told):
    dense = json.dumps(KNOWN["Qwen3-8B"])
    assert told(dense, "kernels=stock", "lora.targets=[gate_proj]", "lora.dropout=0.1") == []
