"""Whether two XTuner configurations mean the same, setting by setting.

Each difference in writing that is none in meaning is a rule here, with its reason; whatever is left is a
difference. `RULES` lists them for `import-xtuner --check`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftcore.config.xtuner.parts import at, mapping, sequence
from ftcore.config.xtuner.system_texts import SYSTEM_TEXTS
from ftcore.config.xtuner.tracker import BACKENDS, VISUALIZER
from ftcore.config.xtuner.values import Config

READ_BY_XTUNER = (
    "model", "train_dataloader", "val_dataloader", "test_dataloader", "val_evaluator", "test_evaluator",
    "sequence_parallel_size", "use_varlen_attn", "optim_wrapper", "param_scheduler", "train_cfg", "val_cfg",
    "test_cfg", "custom_hooks", "default_hooks", "env_cfg", "visualizer", "log_level", "load_from", "resume",
    "randomness", "log_processor", "strategy", "runner_type", "work_dir", "data_preprocessor",
    "default_scope", "framework", "model_resource", "experiment_name", "auto_scale_lr",
)  # fmt: skip
"""Top-level names that `xtuner train` or mmengine's runner looks at; other names serve the file itself."""

AUTO_MODEL = "transformers.AutoModelForCausalLM.from_pretrained"
DEFAULTS: dict[str, Config] = {
    "xtuner.model.SupervisedFinetune": {
        "use_activation_checkpointing": True, "use_varlen_attn": False, "lora": None, "peft_model": None,
        "tokenizer": None, "max_position_embeddings": None,
    },
    "xtuner.dataset.process_hf_dataset": {
        "do_dataset_tokenization": True, "dataset_map_fn": None, "template_map_fn": None,
        "max_dataset_length": None, "split": "train", "rename_maps": [], "shuffle_before_pack": True,
        "pack_to_max_length": True, "use_varlen_attn": False, "input_ids_with_output": True,
        "with_image_token": False, "map_num_proc": 32,
    },
    "xtuner.dataset.MOSSSFTDataset": {"max_length": 2048, "bot_name": None},
    "xtuner.dataset.intern_repo.load_intern_repo_tokenized_dataset": {
        "min_length": 0, "data_order_path": None, "file_type": ".bin",
    },
    "xtuner.dataset.intern_repo.load_intern_repo_untokenized_dataset": {
        "data_order_path": None, "file_type": ".json",
    },
    "xtuner.dataset.intern_repo.build_packed_dataset": {"packed_length": 8192, "seed": 1024},
    "xtuner.dataset.samplers.InternRepoSampler": {"shuffle": True},
    "mmengine.dataset.DefaultSampler": {"shuffle": True, "seed": None, "round_up": True},
    "xtuner.parallel.sequence.SequenceParallelSampler": {"shuffle": True, "seed": None, "round_up": True},
    "xtuner.engine.hooks.EvaluateChatHook": {
        "system": "", "prompt_template": None, "every_n_iters": None, "max_new_tokens": 600,
        "stop_word": None, "stop_words": [], "generation_kwargs": {}, "evaluation_images": None,
        "image_processor": None,
    },
    "peft.LoraConfig": {"r": 8, "lora_alpha": 8, "lora_dropout": 0.0, "bias": "none", "target_modules": None},
    "transformers.BitsAndBytesConfig": {
        "load_in_4bit": False, "load_in_8bit": False, "llm_int8_threshold": 6.0,
        "llm_int8_has_fp16_weight": False, "bnb_4bit_compute_dtype": "torch.float32",
        "bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": False,
        "bnb_4bit_quant_storage": "torch.uint8",
    },
    "torch.optim.AdamW": {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01, "amsgrad": False},
    "mmengine.optim.OptimWrapper": {"accumulative_counts": 1, "clip_grad": None},
    # Without a type of its own, torch's autocast on an accelerator computes in fp16.
    "mmengine.optim.AmpOptimWrapper": {
        "accumulative_counts": 1, "clip_grad": None, "loss_scale": "dynamic", "dtype": "float16",
    },
    "mmengine.hooks.CheckpointHook": {
        "interval": -1, "by_epoch": True, "save_optimizer": True, "save_param_scheduler": True,
        "max_keep_ckpts": -1, "save_last": True,
    },
    "mmengine.hooks.LoggerHook": {"interval": 10, "log_metric_by_epoch": True},
    "mmengine.optim.LinearLR": {"start_factor": 1 / 3, "end_factor": 1.0, "begin": 0, "by_epoch": True},
    "mmengine.optim.CosineAnnealingLR": {"begin": 0, "by_epoch": True},
    # transformers 4, which XTuner 0.2.0 was made for, loads in fp32 where nothing is said.
    AUTO_MODEL: {
        "torch_dtype": "torch.float32", "trust_remote_code": False, "attn_implementation": None,
        "quantization_config": None,
    },
    "transformers.AutoTokenizer.from_pretrained": {"trust_remote_code": False},
}  # fmt: skip
DEFAULTS["xtuner.dataset.process_ms_dataset"] = DEFAULTS["xtuner.dataset.process_hf_dataset"]
TOP_LEVEL: Config = {
    "sequence_parallel_size": 1, "use_varlen_attn": False, "load_from": None, "resume": False,
    "visualizer": None, "log_level": "INFO", "log_processor": None, "default_hooks": None,
    "param_scheduler": None,
}  # fmt: skip

DEFAULT_HOOKS: Config = {
    "timer": {"type": "IterTimerHook"}, "sampler_seed": {"type": "DistSamplerSeedHook"},
    "logger": {"type": "LoggerHook"}, "param_scheduler": {"type": "ParamSchedulerHook"},
    "checkpoint": {"type": "CheckpointHook", "interval": 1},
}  # fmt: skip
"""What mmengine's runner puts where `default_hooks` says nothing of it."""

SHORT_NAMES = {
    "LinearLR": "mmengine.optim.LinearLR", "CosineAnnealingLR": "mmengine.optim.CosineAnnealingLR",
    "AdamW": "torch.optim.AdamW", "OptimWrapper": "mmengine.optim.OptimWrapper",
    "AmpOptimWrapper": "mmengine.optim.AmpOptimWrapper", "DefaultSampler": "mmengine.dataset.DefaultSampler",
    "IterTimerHook": "mmengine.hooks.IterTimerHook", "LoggerHook": "mmengine.hooks.LoggerHook",
    "ParamSchedulerHook": "mmengine.hooks.ParamSchedulerHook",
    "CheckpointHook": "mmengine.hooks.CheckpointHook",
    "DistSamplerSeedHook": "mmengine.hooks.DistSamplerSeedHook",
    **{name.rpartition(".")[2]: name for name in (VISUALIZER, *BACKENDS.values())},
}  # fmt: skip
ALIASES = {"xtuner.engine.": "xtuner.engine.hooks.", "mmengine.optim.scheduler.": "mmengine.optim."}
KEPT = ("xtuner.engine.hooks.", "xtuner.engine.runner.")

LOG_ONLY = ("xtuner.engine.hooks.DatasetInfoHook", "xtuner.engine.hooks.ThroughputHook")
CHAT = "xtuner.engine.hooks.EvaluateChatHook"
SYSTEM_TEMPLATE = "xtuner.utils.SYSTEM_TEMPLATE."
SEQUENCE_SAMPLER = "xtuner.parallel.sequence.SequenceParallelSampler"
SEEDED_SAMPLERS = (
    SEQUENCE_SAMPLER,
    "xtuner.dataset.samplers.InternRepoSampler",
    "mmengine.dataset.DefaultSampler",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A difference in writing that is none in meaning."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that two configurations have otherwise; ABSENT where one lacks it."""

    path: str
    first: Any
    second: Any


class Absent:
    """The value of a setting that is not there."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = Absent()

RULES = (
    Rule("own names", "variables that only the file itself reads (lr, batch_size, ...) reach no one else"),
    Rule("default", "a setting that is absent has its constructor's default, a default hook the runner's"),
    Rule(
        "spelling",
        "a tuple is a list, as is a single scheduler or evaluation input; 1.0 is 1; one object may have a "
        "short and a dotted name",
    ),
    Rule("seed", "XTuner draws a seed where None is stated: any seed that is stated is one it could draw"),
    Rule("log only", "DatasetInfoHook, ThroughputHook and log_processor.by_epoch only shape the log"),
    Rule("files", "data_files may be a file, a list of it, or a mapping of split train to it"),
    Rule("sampler", "SequenceParallelSampler is DefaultSampler where sequence_parallel_size is 1"),
    Rule(
        "sampler seed", "InternRepoSampler draws by 1024 whatever it is told, the others by any shared seed"
    ),
    Rule("attention", "sequence parallel runs on flash-attn alone: unsaid is flash_attention_2"),
    Rule("system text", "compared as the hook shows it: SYSTEM_TEMPLATE by its text, after str.format"),
)


def differences(first: Config, second: Config) -> list[Difference]:
    """Every setting in which two configurations differ in meaning, by dotted path; lists as a whole where
    their lengths differ."""
    return list(_differences(normal(first), normal(second), ""))


def normal(config: Config) -> Config:
    """`config` in the one form in which equal meanings are equal data."""
    kept = TOP_LEVEL | {name: _plain(config[name]) for name in READ_BY_XTUNER if name in config}
    for rule in (_seed, _hooks, _schedulers, _samplers, _attention, _log):
        rule(kept, config)
    return kept


def _plain(value: Any) -> Any:
    """Lists for tuples, dotted names for short ones, whole floats as integers, and defaults filled in."""
    if isinstance(value, Mapping):
        result = {name: _plain(inner) for name, inner in value.items()}
        if isinstance(kind := result.get("type"), str):
            result["type"] = kind = dotted(kind)
            result = _defaults(kind) | result
            if kind == "datasets.load_dataset":
                _one_file(result)
        return result
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _defaults(kind: str) -> Config:
    if kind.endswith("ForCausalLM.from_pretrained"):
        kind = AUTO_MODEL
    return DEFAULTS.get(kind, {})


def dotted(name: str) -> str:
    """The one dotted name of what may be named in several ways."""
    if name.startswith(KEPT):
        return name
    for prefix, instead in ALIASES.items():
        if name.startswith(prefix):
            return instead + name.removeprefix(prefix)
    return SHORT_NAMES.get(name, name)


def chat_hooks(config: Config) -> list[Config]:
    """The hooks of a configuration's normal form that show samples."""
    hooks = sequence(config["custom_hooks"]) or []
    return [hook for hook in hooks if mapping(hook).get("type") == CHAT]


def system_text(hook: Mapping[str, Any], config: Config) -> Any:
    """The system text of a chat hook as it is shown; as it is written where it cannot be formatted."""
    text = hook.get("system") or ""
    if not isinstance(text, str):
        return text
    if text.startswith(SYSTEM_TEMPLATE):
        text = SYSTEM_TEXTS.get(text.removeprefix(SYSTEM_TEMPLATE), text)
    try:
        return text.format(**{str(name): value for name, value in config.items()})
    except (LookupError, ValueError, AttributeError, TypeError):
        return text


def one_file(files: Any) -> Any:
    """`data_files` as one path where it names one file for training."""
    if isinstance(files, Mapping) and list(files) == ["train"]:
        files = files["train"]
    return files[0] if isinstance(files, list | tuple) and len(files) == 1 else files


def _one_file(dataset: Config) -> None:
    if dataset.get("path") in ("json", "text") and "data_files" in dataset:
        dataset["data_files"] = one_file(dataset["data_files"])


def _seed(kept: Config, _config: Config) -> None:
    if isinstance(kept.get("randomness"), dict):
        kept["randomness"]["seed"] = None
        kept["randomness"].setdefault("deterministic", False)
    else:
        kept["randomness"] = {"seed": None, "deterministic": False}


def _hooks(kept: Config, config: Config) -> None:
    hooks = kept.get("custom_hooks") or []
    if isinstance(hooks, list):
        hooks = [hook for hook in hooks if mapping(hook).get("type") not in LOG_ONLY]
    kept["custom_hooks"] = hooks
    for hook in chat_hooks(kept):
        hook["system"] = system_text(hook, config)
        if isinstance(asked := hook.get("evaluation_inputs"), str):
            hook["evaluation_inputs"] = [asked]
    if isinstance(given := kept["default_hooks"] or {}, dict):
        kept["default_hooks"] = _plain(DEFAULT_HOOKS) | given


def _schedulers(kept: Config, _config: Config) -> None:
    schedulers = kept["param_scheduler"] or []
    kept["param_scheduler"] = [schedulers] if isinstance(schedulers, dict) else schedulers


def _samplers(kept: Config, _config: Config) -> None:
    sampler = mapping(at(kept, "train_dataloader.sampler"))
    if kept["sequence_parallel_size"] == 1 and sampler.get("type") == SEQUENCE_SAMPLER:
        sampler["type"] = "mmengine.dataset.DefaultSampler"
    if sampler.get("type") in SEEDED_SAMPLERS:
        sampler["seed"] = None


def _attention(kept: Config, _config: Config) -> None:
    llm = mapping(at(kept, "model.llm"))
    if kept["sequence_parallel_size"] != 1 and llm.get("attn_implementation") is None:
        llm["attn_implementation"] = "flash_attention_2"


def _log(kept: Config, _config: Config) -> None:
    # Whether the text log counts iterations or epochs.
    if isinstance(given := kept["log_processor"] or {}, dict):
        kept["log_processor"] = {name: value for name, value in given.items() if name != "by_epoch"}


def _differences(first: Any, second: Any, path: str):
    if isinstance(first, dict) and isinstance(second, dict):
        for name in dict.fromkeys((*first, *second)):
            inner = f"{path}.{name}" if path else str(name)
            yield from _differences(first.get(name, ABSENT), second.get(name, ABSENT), inner)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from _differences(one, other, f"{path}.{index}")
    elif first is not second and (type(first) is not type(second) or first != second):
        yield Difference(path, first, second)
