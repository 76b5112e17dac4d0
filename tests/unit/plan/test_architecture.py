"""Sizes read from a `config.json` are those of the model that transformers builds from it."""

import json

import pytest

from ftcore.config.compose import compose
from ftcore.plan.families import FAMILIES, Unknown, find, read
from ftcore.plan.shapes import KNOWN

SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SMALL = {
    "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 4, "num_attention_heads": 6,
    "num_key_value_heads": 2, "vocab_size": 500,
}  # fmt: skip
EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40}
SHAPES = {
    "llama_3_8b": KNOWN["Meta-Llama-3-8B"],
    "mixtral_8x7b": KNOWN["Mixtral-8x7B-v0.1"],
    "qwen2_5_7b": KNOWN["Qwen2.5-7B-Instruct"],
    "qwen3_8b": KNOWN["Qwen3-8B"],
    "qwen3_30b_a3b": KNOWN["Qwen3-30B-A3B"],
    "qwen1_5_moe": KNOWN["Qwen1.5-MoE-A2.7B"],
    "smollm2_tied": KNOWN["SmolLM2-135M-Instruct"],
    "llama_biases": SMALL | {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "llama_head_dim": SMALL | {"model_type": "llama", "head_dim": 32},
    "mistral": SMALL | {"model_type": "mistral", "tie_word_embeddings": True},
    "qwen2_tied": SMALL | {"model_type": "qwen2", "tie_word_embeddings": True},
    "qwen3": SMALL | {"model_type": "qwen3", "attention_bias": True},
    "qwen2_moe": SMALL | EXPERTS | {
        "model_type": "qwen2_moe", "shared_expert_intermediate_size": 56, "decoder_sparse_step": 2,
    },
    "qwen3_moe": SMALL | EXPERTS | {"model_type": "qwen3_moe", "head_dim": 16, "mlp_only_layers": [1]},
}  # fmt: skip


def real(config: dict):
    """The model of transformers, without memory for its weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))


def every_linear(model) -> list[str]:
    """Names that XTuner gives to an adapter without targets: every linear layer but the head."""
    from torch import nn

    names = {name.rpartition(".")[2] for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    return sorted(names - {"lm_head"})


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_parameters_are_those_of_the_real_model(config):
    """The sum, the embeddings, and what an adapter on every linear layer has."""
    from peft import LoraConfig, get_peft_model

    model = real(config)
    found = read(config)
    assert found.parameters == sum(one.numel() for one in model.parameters())
    assert found.parameters_by_part()["embeddings"] == model.get_input_embeddings().weight.numel()
    targets = every_linear(model)
    tuned = get_peft_model(model, LoraConfig(r=8, target_modules=targets), low_cpu_mem_usage=True)
    trained = sum(one.numel() for one in tuned.parameters() if one.requires_grad)
    assert found.lora_parameters(8, None) == trained


@pytest.mark.parametrize("targets", [SEVEN, ("q_proj", "down_proj"), ("gate_proj", "up_proj")], ids=",".join)
def test_adapters_of_experts_are_those_of_peft(targets):
    """qwen3_moe, all of whose layers are sparse."""
    from peft import LoraConfig, get_peft_model

    config = {name: value for name, value in SHAPES["qwen3_moe"].items() if name != "mlp_only_layers"}
    tuned = get_peft_model(real(config), LoraConfig(r=8, target_modules=[*targets]), low_cpu_mem_usage=True)
    trained = sum(one.numel() for one in tuned.parameters() if one.requires_grad)
    assert read(config).lora_parameters(8, targets) == trained


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_a_config_that_transformers_saves_is_read_alike(config, tmp_path):
    """Of a merged model: some keys have other names then."""
    from transformers import AutoConfig

    stated = config | {"sliding_window": None}  # mistral's would be 4096, were nothing said
    AutoConfig.for_model(**stated).save_pretrained(tmp_path)
    assert find(str(tmp_path))[0] == read(stated)


def test_every_family_is_compared_with_the_real_one():
    """A family that is added here is added there."""
    assert {config["model_type"] for config in SHAPES.values()} == set(FAMILIES)


def test_published_sizes():
    """Llama-3-8B and its adapter of rank 64, and some that their makers state."""
    llama, where = find("meta-llama/Meta-Llama-3-8B-Instruct")
    assert llama.parameters == 8_030_261_248 and "known shape" in where
    assert llama.lora_parameters(64, SEVEN) == llama.lora_parameters(64, None) == 167_772_160
    assert read(KNOWN["Mixtral-8x7B-v0.1"]).parameters == 46_702_792_704
    assert read(KNOWN["Qwen3-30B-A3B"]).parameters == 30_532_122_624


PUBLISHED = {
    "Llama-3.2-1B-Instruct": 1.24, "Llama-3.2-3B-Instruct": 3.21, "Qwen2.5-0.5B-Instruct": 0.49,
    "Qwen2.5-1.5B-Instruct": 1.54, "Qwen2.5-3B-Instruct": 3.09, "Qwen2.5-7B-Instruct": 7.61,
    "Qwen2.5-14B-Instruct": 14.7, "Qwen2.5-32B-Instruct": 32.5, "Qwen2.5-72B-Instruct": 72.7,
    "Qwen3-0.6B": 0.6, "Qwen3-1.7B": 1.7, "Qwen3-4B": 4.0, "Qwen3-8B": 8.2, "Qwen3-14B": 14.8,
    "Qwen3-32B": 32.8, "Qwen3-30B-A3B": 30.5, "Qwen1.5-MoE-A2.7B": 14.3,
}  # fmt: skip
"""Billions of parameters, by the models' cards and technical reports."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_known_shapes_have_the_published_sizes(name):
    assert read(KNOWN[name]).parameters / 1e9 == pytest.approx(PUBLISHED[name], rel=0.015)


def test_presets_of_known_models_have_a_known_shape():
    """What `plan` says of a preset before its folder is here."""
    for choice in ("qwen2_5_14b_instruct", "qwen3_0_6b", "qwen3_30b_a3b", "llama3_2_3b_instruct"):
        path = compose([f"model={choice}", "data=alpaca", "hardware=cuda"]).experiment.model.path
        assert path.rpartition("/")[2] in KNOWN
    assert read(KNOWN["Qwen1.5-MoE-A2.7B"]).parameters == 14_315_784_192
    assert read(KNOWN["Llama-2-7b-hf"]).parameters == 6_738_415_616


def test_a_folder_goes_before_the_known_shape(tmp_path):
    """What is in the folder is what will be trained, whatever the folder is called."""
    folder = tmp_path / "Meta-Llama-3-8B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SHAPES["qwen3"]), encoding="utf-8")
    assert find(str(folder))[0].family == "qwen3"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be read"),
        ("[]", "no JSON object"),
        ('{"model_type": "internlm2"}', "internlm2"),
        ('{"model_type": "llama"}', "hidden_size"),
        (json.dumps(SHAPES["mistral"] | {"num_hidden_layers": "4"}), "num_hidden_layers"),
        (json.dumps(SHAPES["mistral"] | {"num_attention_heads": 0}), "num_attention_heads"),
    ],
)
def test_what_cannot_be_told_says_why(tmp_path, text, why):
    """A config.json of another kind, or a broken one, gives a reason and no guess."""
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(Unknown, match=why):
        find(str(tmp_path))


def test_a_model_that_is_nowhere():
    """A hub id that is not here and not known is named."""
    with pytest.raises(Unknown, match="somebody/else"):
        find("somebody/else")
