"""The hand-run recipe, setting by setting, in the XTuner configuration of its preset."""

import pytest

from ftcore.cli.main import main
from ftcore.config.compose import compose
from ftcore.config.xtuner import build, deepspeed_config, render
from ftcore.plan.decisions import decisions

PRESET = [
    "experiment=agentflan_llama3_8b",
    "hardware=dcu",
    "nodes=6",
    "data.path=/data",
    "model.path=/llama3",
]
EXPERIMENT = compose(PRESET).experiment
CONFIG = build(EXPERIMENT)
ABSENT = object()

RECIPE = {
    "model.type": "xtuner.model.SupervisedFinetune",
    "model.use_varlen_attn": False,
    "model.use_activation_checkpointing": True,
    "model.llm.type": "transformers.AutoModelForCausalLM.from_pretrained",
    "model.llm.pretrained_model_name_or_path": "/llama3",
    "model.llm.trust_remote_code": True,
    "model.llm.torch_dtype": "torch.float16",
    "model.llm.quantization_config": ABSENT,
    "tokenizer.type": "transformers.AutoTokenizer.from_pretrained",
    "tokenizer.pretrained_model_name_or_path": "/llama3",
    "tokenizer.trust_remote_code": True,
    "tokenizer.padding_side": "right",
    "model.lora.type": "peft.LoraConfig",
    "model.lora.r": 64,
    "model.lora.lora_alpha": 16,
    "model.lora.lora_dropout": 0.1,
    "model.lora.bias": "none",
    "model.lora.task_type": "CAUSAL_LM",
    "model.lora.target_modules": ABSENT,
    "train_dataloader.batch_size": 1,
    "train_dataloader.num_workers": 0,
    "train_dataloader.dataset.type": "xtuner.dataset.process_hf_dataset",
    "train_dataloader.dataset.dataset.type": "datasets.load_from_disk",
    "train_dataloader.dataset.tokenizer": CONFIG["tokenizer"],
    "train_dataloader.dataset.max_length": 1664,
    "train_dataloader.dataset.dataset_map_fn": "xtuner.dataset.map_fns.openai_map_fn",
    "train_dataloader.dataset.template_map_fn.type": "xtuner.dataset.map_fns.template_map_fn_factory",
    "train_dataloader.dataset.template_map_fn.template": "xtuner.utils.PROMPT_TEMPLATE.llama3_chat",
    "train_dataloader.dataset.remove_unused_columns": True,
    "train_dataloader.dataset.shuffle_before_pack": True,
    "train_dataloader.dataset.pack_to_max_length": False,
    "train_dataloader.dataset.use_varlen_attn": False,
    "train_dataloader.sampler.type": "mmengine.dataset.DefaultSampler",
    "train_dataloader.sampler.shuffle": True,
    "train_dataloader.collate_fn.type": "xtuner.dataset.collate_fns.default_collate_fn",
    "train_dataloader.collate_fn.use_varlen_attn": False,
    "optim_wrapper.type": "mmengine.optim.AmpOptimWrapper",
    "optim_wrapper.optimizer.type": "torch.optim.AdamW",
    "optim_wrapper.optimizer.lr": 2e-4,
    "optim_wrapper.optimizer.betas": [0.9, 0.999],
    "optim_wrapper.optimizer.weight_decay": 0,
    "optim_wrapper.clip_grad.max_norm": 1,
    "optim_wrapper.clip_grad.error_if_nonfinite": False,
    "optim_wrapper.accumulative_counts": 16,
    "optim_wrapper.loss_scale": "dynamic",
    "optim_wrapper.dtype": "float16",
    "param_scheduler.0.type": "mmengine.optim.LinearLR",
    "param_scheduler.0.start_factor": 1e-5,
    "param_scheduler.0.by_epoch": True,
    "param_scheduler.0.begin": 0,
    "param_scheduler.0.end": 0.03 * 3,
    "param_scheduler.0.convert_to_iter_based": True,
    "param_scheduler.1.type": "mmengine.optim.CosineAnnealingLR",
    "param_scheduler.1.eta_min": 0.0,
    "param_scheduler.1.by_epoch": True,
    "param_scheduler.1.begin": 0.03 * 3,
    "param_scheduler.1.end": 3,
    "param_scheduler.1.convert_to_iter_based": True,
    "train_cfg.type": "xtuner.engine.runner.TrainLoop",
    "train_cfg.max_epochs": 3,
    "custom_hooks.DatasetInfoHook.tokenizer": CONFIG["tokenizer"],
    "custom_hooks.EvaluateChatHook.every_n_iters": 500,
    "custom_hooks.ThroughputHook.type": "xtuner.engine.hooks.ThroughputHook",
    "custom_hooks.VarlenAttnArgsToMessageHubHook": ABSENT,
    "default_hooks.timer.type": "mmengine.hooks.IterTimerHook",
    "default_hooks.logger.type": "mmengine.hooks.LoggerHook",
    "default_hooks.logger.log_metric_by_epoch": False,
    "default_hooks.logger.interval": 10,
    "default_hooks.param_scheduler.type": "mmengine.hooks.ParamSchedulerHook",
    "default_hooks.checkpoint.type": "mmengine.hooks.CheckpointHook",
    "default_hooks.checkpoint.by_epoch": False,
    "default_hooks.checkpoint.interval": 500,
    "default_hooks.checkpoint.max_keep_ckpts": 50,
    "default_hooks.checkpoint.save_optimizer": False,
    "default_hooks.sampler_seed.type": "mmengine.hooks.DistSamplerSeedHook",
    "env_cfg.cudnn_benchmark": False,
    "env_cfg.mp_cfg.mp_start_method": "fork",
    "env_cfg.mp_cfg.opencv_num_threads": 0,
    "env_cfg.dist_cfg.backend": "nccl",
    "visualizer": None,
    "log_level": "INFO",
    "load_from": None,
    "resume": False,
    "randomness.seed": None,
    "randomness.deterministic": False,
    "log_processor.by_epoch": False,
    "sequence_parallel_size": 1,
}
"""The recipe's settings, written down from the recipe and not from the code."""

DEVIATIONS = {
    "default_hooks.checkpoint.save_optimizer": "default_hooks.checkpoint.save_optimizer",
    "randomness.seed": "randomness.seed",
    "custom_hooks.EvaluateChatHook.every_n_iters": "custom_hooks.EvaluateChatHook",
}
"""Where the configuration is meant to differ -> the decision that says so."""

SYSTEM = """\
You are a assistant who can utilize external tools.
[{'name': 'ArxivSearch.get_arxiv_article_information',"""


def at(config: dict, key: str):
    """The value at a dotted key; hooks are found by the last part of their type."""
    node = config
    for part in key.split("."):
        if isinstance(node, list):
            by_type = {one["type"].rpartition(".")[2]: one for one in node}
            node = node[int(part)] if part.isdigit() else by_type.get(part, ABSENT)
        else:
            node = node.get(part, ABSENT)
        if node is ABSENT:
            return ABSENT
    return node


@pytest.mark.parametrize("key", sorted(set(RECIPE) - set(DEVIATIONS)))
def test_setting(key):
    """The preset's configuration has the recipe's value, and its type of number."""
    value = at(CONFIG, key)
    assert value == RECIPE[key]
    assert isinstance(value, bool) == isinstance(RECIPE[key], bool)


@pytest.mark.parametrize("key", sorted(DEVIATIONS))
def test_deviation_is_a_stated_decision(key, capsys):
    """Where the configuration differs, a decision says so and plan prints it."""
    assert at(CONFIG, key) != RECIPE[key]
    (decision,) = [d for d in decisions(EXPERIMENT) if d.setting == DEVIATIONS[key]]
    assert decision.in_config
    assert main(["plan", "--json", *PRESET]) == 0
    assert decision.reason in capsys.readouterr().out


def test_every_decision_in_the_config_is_a_deviation():
    """A decision that claims to show in the configuration does."""
    stated = {decision.setting for decision in decisions(EXPERIMENT) if decision.in_config}
    assert stated == set(DEVIATIONS.values())


def test_nothing_beyond_the_recipe():
    """The configuration sets nothing that the recipe does not."""
    known = {*RECIPE, "train_dataloader.dataset.max_dataset_length"}
    known |= {"train_dataloader.dataset.dataset.dataset_path", "custom_hooks.DatasetInfoHook.type"}

    def unknown(node, key):
        if key in known:
            return []
        if isinstance(node, dict):
            return [
                name for part, value in node.items() for name in unknown(value, f"{key}.{part}".strip("."))
            ]
        if isinstance(node, list):
            names = [
                value["type"].rpartition(".")[2] if "hooks" in key else i for i, value in enumerate(node)
            ]
            return [one for i, value in zip(names, node, strict=True) for one in unknown(value, f"{key}.{i}")]
        return [key]

    assert unknown(CONFIG, "") == []
    assert at(CONFIG, "train_dataloader.dataset.max_dataset_length") is None


def test_sequence_parallel_as_the_recipe():
    """Under sequence parallel the sampler and the accumulation are those the recipe prescribes."""
    parts = ["parallelism.sequence_parallel=4", "model.attention=flash_attention_2"]
    config = build(compose([*PRESET, *parts]).experiment)
    assert config["train_dataloader"]["sampler"]["type"] == "xtuner.parallel.sequence.SequenceParallelSampler"
    assert config["optim_wrapper"]["accumulative_counts"] == 16 * 4


def test_chat_samples_as_the_recipe():
    """Without ZeRO-3 the chat samples are the recipe's; braces are doubled, as a decision says."""
    experiment = compose([*PRESET, "parallelism=zero2"]).experiment
    hook = at(build(experiment), "custom_hooks.EvaluateChatHook")
    assert hook["every_n_iters"] == 500
    assert hook["evaluation_inputs"] == ["Please help me search the InternLM2 Technical Report"]
    assert hook["prompt_template"] == "xtuner.utils.PROMPT_TEMPLATE.llama3_chat"
    system = hook["system"].format()
    assert system.startswith(SYSTEM)
    for expected in ("'type': 'STRING'", "Thought:", "Action Input:", "Response:", "Final Answer:", "Begin!"):
        assert expected in system
    assert "custom_hooks.EvaluateChatHook.system" in {d.setting for d in decisions(experiment)}


def test_deepspeed_is_xtuners_zero3_offload():
    """The DeepSpeed JSON is XTuner's zero3_offload with the precision written out."""
    assert deepspeed_config(EXPERIMENT) == {
        "gradient_accumulation_steps": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_clipping": "auto",
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": {
            "stage": 3,
            "overlap_comm": True,
            "offload_optimizer": {"device": "cpu", "pin_memory": True},
            "offload_param": {"device": "cpu", "pin_memory": True},
            "stage3_gather_16bit_weights_on_model_save": True,
        },
        "fp16": {"enabled": True, "initial_scale_power": 16},
        "bf16": {"enabled": False},
    }


def test_world_of_the_recipe():
    """6 nodes of 4 DCUs, as the recipe ran."""
    assert EXPERIMENT.world_size == 24


def test_rendered_text_is_the_configuration():
    """Executing the rendered file gives the configuration that was built."""
    namespace: dict = {}
    exec(render(CONFIG, "header"), namespace)
    assert {key: namespace[key] for key in CONFIG} == CONFIG
