"""An XTuner configuration -> the values of the experiment that means the same, as far as it can be read.

Nothing here has to be complete: `ftcore.importing` builds the configuration of what was read and keeps the
rest in the passthrough. What is not understood is therefore left out, never guessed.
"""

from pathlib import PurePosixPath
from typing import Any

from ftcore.config.xtuner.compare import chat_hooks, normal, one_file, system_text
from ftcore.config.xtuner.parts import at, count, named, number, sequence
from ftcore.config.xtuner.tracker import tracker_values
from ftcore.config.xtuner.values import AMP_DTYPE, TORCH_DTYPE, Config

DTYPE = {dotted: name for name, dotted in TORCH_DTYPE.items()}
AMP = {text: name for name, text in AMP_DTYPE.items()}
MAP_FNS = "xtuner.dataset.map_fns."
TEMPLATES = "xtuner.utils.PROMPT_TEMPLATE."

Values = dict[str, Any]
"""Dotted key of an Experiment -> value."""


def infer(settings: Config) -> Values:
    """The experiment's values that `settings` states or implies."""
    config = normal(settings)
    found: Values = {}
    for part in (_model, _adapter, _precision, _data, _optim, _schedule, _hooks, _chat, _log, _tracker):
        part(config, settings, found)
    return found


def _model(config: Config, settings: Config, found: Values) -> None:
    llm = at(config, "model.llm", {})
    found["model.path"] = at(llm, "pretrained_model_name_or_path")
    found["model.trust_remote_code"] = at(llm, "trust_remote_code", False)
    found["model.activation_checkpointing"] = at(config, "model.use_activation_checkpointing", True)
    found["model.attention"] = at(llm, "attn_implementation") or "sdpa"
    tokenizer = _tokenizer(config)
    found["model.tokenizer.padding_side"] = at(tokenizer, "padding_side", "right")
    found["model.tokenizer.eos_token"] = at(tokenizer, "eos_token")
    found["model.tokenizer.encode_special_tokens"] = at(tokenizer, "encode_special_tokens")
    if (template := _template(config)) is not None:
        found["model.template"] = template
    if isinstance(name := settings.get("bot_name") or _moss_name(config), str):
        found["model.bot_name"] = name


def _tokenizer(config: Config) -> Config:
    dataset = _datasets(config)[0]
    return (
        at(dataset, "tokenizer") or at(dataset, "dataset_cfg.tokenizer") or _hook(config, "tokenizer") or {}
    )


def _template(config: Config) -> str | None:
    dataset = _datasets(config)[0]
    places = (
        at(dataset, "template_map_fn.template"),
        at(dataset, "dataset_cfg.template_map_fn.template"),
        _hook(config, "prompt_template"),
    )
    for name in places:
        if isinstance(name, str) and name.startswith(TEMPLATES):
            return name.removeprefix(TEMPLATES)
    return None


def _moss_name(config: Config) -> Any:
    return next((at(each, "bot_name") for each in _datasets(config) if at(each, "bot_name")), None)


def _hook(config: Config, name: str) -> Any:
    stated = [at(hook, name) for hook in sequence(config["custom_hooks"]) or []]
    return next((value for value in stated if value is not None), None)


def _state(found: Values, values: Values) -> None:
    """Put into `found` what of `values` was understood."""
    found |= {key: value for key, value in values.items() if value is not None}


def _adapter(config: Config, _settings: Config, found: Values) -> None:
    lora, quantization = at(config, "model.lora"), at(config, "model.llm.quantization_config")
    found["lora.method"] = "full" if lora is None else "lora" if quantization is None else "qlora"
    if lora is None:
        return
    stated = {
        "rank": at(lora, "r"), "lora.alpha": number(at(lora, "lora_alpha")),
        "lora.dropout": number(at(lora, "lora_dropout")), "lora.bias": at(lora, "bias"),
    }  # fmt: skip
    _state(found, stated)
    if not isinstance(targets := at(lora, "target_modules"), str):  # a regular expression, or all-linear
        found["lora.targets"] = targets
    if quantization is not None:
        found["lora.quantization.bits"] = 8 if at(quantization, "load_in_8bit") else 4
        found["lora.quantization.quant_type"] = at(quantization, "bnb_4bit_quant_type")
        found["lora.quantization.double_quant"] = at(quantization, "bnb_4bit_use_double_quant")
        storage = at(quantization, "bnb_4bit_quant_storage")
        found["lora.quantization.storage"] = named(DTYPE, storage, "uint8")


def _precision(config: Config, _settings: Config, found: Values) -> None:
    wrapper = config.get("optim_wrapper", {})
    weights = named(DTYPE, at(config, "model.llm.torch_dtype"), "auto")
    dtype = "fp32"
    if at(wrapper, "type") == "mmengine.optim.AmpOptimWrapper":
        dtype = named(AMP, at(wrapper, "dtype"), "fp16")
        if dtype == "fp16":
            scale = at(wrapper, "loss_scale")
            _state(found, {"precision.loss_scale": scale if scale == "dynamic" else number(scale)})
    found["precision.dtype"] = dtype
    auto = "fp32" if found["lora.method"] == "full" else dtype
    found["precision.weights"] = "auto" if weights == auto else weights


def _datasets(config: Config) -> list[Config]:
    dataset = at(config, "train_dataloader.dataset", {})
    several = sequence(at(dataset, "datasets"))
    return several if several and at(dataset, "type") == "xtuner.dataset.ConcatDataset" else [dataset]


def _data(config: Config, _settings: Config, found: Values) -> None:
    loader, datasets = config.get("train_dataloader", {}), _datasets(config)
    first, *further = [_source(dataset) for dataset in datasets]
    found |= {f"data.{name}": value for name, value in first.items()}
    found["data.mix"] = {_mix_name(source, index): source for index, source in enumerate(further, 2)}
    found["data.micro_batch_size"] = at(loader, "batch_size", 1)
    found["data.num_workers"] = at(loader, "num_workers", 0)
    found["data.shuffle"] = at(loader, "sampler.shuffle", True)
    intern = at(loader, "sampler.type") == "xtuner.dataset.samplers.InternRepoSampler"
    found["data.sampler"] = "intern_repo" if intern else "default"
    found["data.varlen"] = at(config, "model.use_varlen_attn", False)
    packs = at(datasets[0], "pack_to_max_length", at(datasets[0], "packed_length") is not None)
    found["data.packing"] = packs
    found["data.shuffle_before_packing"] = at(datasets[0], "shuffle_before_pack", found["data.shuffle"])
    length = at(datasets[0], "packed_length") or at(datasets[0], "max_length")
    if isinstance(length, int):
        found["max_length"] = length


def _source(dataset: Config) -> Values:
    """A Source's fields, all of them, from one dataset of the configuration."""
    source: Values = {
        "format": None, "path": None, "hub": None, "subset": None, "split": None, "folder": None,
        "files": None, "categories": {}, "max_rows": at(dataset, "max_dataset_length"),
    }  # fmt: skip
    kind = str(at(dataset, "type", "")).rsplit(".", 1)[-1]
    if kind == "MOSSSFTDataset":
        return source | {"format": "moss", "path": at(dataset, "data_file")}
    if kind == "build_packed_dataset":
        tokenized = str(at(dataset, "dataset_cfg.type")).endswith("load_intern_repo_tokenized_dataset")
        form = "intern_tokens" if tokenized else "intern_messages"
        return source | {"format": form, "path": at(dataset, "dataset_cfg.folder")}
    return source | {"format": _format(dataset)} | _place(at(dataset, "dataset", {}))


def _format(dataset: Config) -> str | None:
    map_fn = at(dataset, "dataset_map_fn")
    if not at(dataset, "do_dataset_tokenization", True):
        return "tokens"
    if map_fn is None:
        return "conversation"
    if not str(map_fn).startswith(MAP_FNS):
        return str(map_fn)
    name = str(map_fn).removeprefix(MAP_FNS).removesuffix("_map_fn")
    return "text" if name == "pretrain" else name


def _place(rows: Config) -> Values:
    """Where rows come from: a hub's dataset, or local files."""
    loader = at(rows, "type")
    given = {
        "subset": at(rows, "name") or at(rows, "subset_name"), "split": at(rows, "split"),
        "folder": at(rows, "data_dir"), "files": at(rows, "data_files"),
    }  # fmt: skip
    if loader == "modelscope.msdatasets.MsDataset.load":
        return {"hub": "modelscope", "path": at(rows, "dataset_name")} | given
    if loader == "openmind.OmDataset.load_dataset":
        return {"hub": "openmind", "path": at(rows, "path")} | given
    if at(rows, "path") in ("json", "text"):
        path = one_file(at(rows, "data_files"))
        return {"path": path.removesuffix("/*")} if isinstance(path, str) else {"path": at(rows, "path")}
    if loader == "datasets.load_from_disk":
        return {"path": at(rows, "dataset_path")}
    return {"hub": "huggingface", "path": at(rows, "path")} | given


def _mix_name(source: Values, index: int) -> str:
    """A key for a further source; `shortest` takes a choice's own where one has the same source."""
    stem = PurePosixPath(str(source["path"])).stem
    name = "".join(letter if letter.isalnum() else "_" for letter in stem).strip("_")
    return f"{name or 'source'}_{index}"


def _optim(config: Config, _settings: Config, found: Values) -> None:
    wrapper = config.get("optim_wrapper", {})
    optimizer = at(wrapper, "optimizer", {})
    found["parallelism.sequence_parallel"] = config["sequence_parallel_size"]
    clip = at(wrapper, "clip_grad.max_norm")
    stated = {
        "lr": number(at(optimizer, "lr", 0.001)),
        "optim.betas": sequence(at(optimizer, "betas", [0.9, 0.999])),
        "optim.eps": number(at(optimizer, "eps", 1e-8)),
        "optim.weight_decay": number(at(optimizer, "weight_decay", 0.01)),
        "optim.max_grad_norm": number(0 if clip is None else clip),
    }
    _state(found, stated)
    accumulation = count(at(wrapper, "accumulative_counts", 1)) or 1
    found["optim.gradient_accumulation"] = max(1, accumulation // _ranks(config))


def _ranks(config: Config) -> int:
    """Ranks that share a sequence."""
    return count(config["sequence_parallel_size"]) or 1


def _schedule(config: Config, _settings: Config, found: Values) -> None:
    epochs, iterations = at(config, "train_cfg.max_epochs"), at(config, "train_cfg.max_iters")
    if (whole_number := count(iterations)) is not None:
        found["max_steps"] = max(1, whole_number // (found["optim.gradient_accumulation"] * _ranks(config)))
    elif iterations is None:
        _state(found, {"epochs": number(epochs)})
    whole = number(epochs if iterations is None else iterations)
    parts = sequence(config["param_scheduler"]) or []
    warmup = next((part for part in parts if at(part, "begin") == 0 and _rises(part)), None)
    ratio = None if warmup is None else _ratio(at(warmup, "end", 0), whole)
    found["optim.warmup_ratio"] = ratio or 0.0
    if ratio is not None:
        found["optim.warmup_start"] = float(at(warmup, "start_factor"))
    decay = next((part for part in parts if part is not warmup), {})
    if at(decay, "type") == "mmengine.optim.CosineAnnealingLR":
        found["optim.schedule"] = "cosine"
        _state(found, {"optim.min_lr_ratio": _ratio(at(decay, "eta_min", 0), found.get("lr"))})
    elif at(decay, "type") == "mmengine.optim.LinearLR":
        found["optim.schedule"] = "linear"
        _state(found, {"optim.min_lr_ratio": number(at(decay, "end_factor", 1.0))})
    elif not parts or parts == [warmup]:
        found["optim.schedule"] = "constant"


def _rises(part: Config) -> bool:
    start, end = number(at(part, "start_factor")), number(at(part, "end_factor", 1))
    linear = at(part, "type") == "mmengine.optim.LinearLR"
    return linear and start is not None and end is not None and start < end


def _ratio(part: Any, whole: float | None) -> float | None:
    """part / whole as a person would have written it: the shortest decimal that gives `part` back."""
    part = number(part)
    if part is None or not whole:
        return None
    for digits in range(1, 17):
        ratio = round(part / whole, digits)
        if ratio * whole == part:
            return min(max(ratio, 0.0), 1.0)
    return min(max(part / whole, 0.0), 1.0)


def _hooks(config: Config, _settings: Config, found: Values) -> None:
    checkpoint = at(config, "default_hooks.checkpoint", {})
    found["checkpoint.every"] = count(at(checkpoint, "interval", -1))
    found["checkpoint.keep"] = count(at(checkpoint, "max_keep_ckpts", -1))
    found["deterministic"] = at(config, "randomness.deterministic", False)


def _chat(config: Config, settings: Config, found: Values) -> None:
    hook = next(iter(chat_hooks(config)), {})
    every, asked = count(at(hook, "every_n_iters")), sequence(at(hook, "evaluation_inputs"))
    found["chat_samples.every"] = 0
    if every is None or asked is None:
        return
    found["chat_samples.every"] = every
    found["chat_samples.inputs"] = asked
    found["chat_samples.system"] = system_text(hook, settings)
    found["chat_samples.max_new_tokens"] = at(hook, "max_new_tokens")
    found["chat_samples.stop_words"] = sequence(at(hook, "stop_words")) or []


def _log(config: Config, _settings: Config, found: Values) -> None:
    found["logging.every"] = at(config, "default_hooks.logger.interval", 10)
    found["logging.window"] = at(config, "log_processor.window_size", 10)
    found["logging.averages"] = at(config, "log_processor.mean_pattern")
    found["logging.level"] = at(config, "log_level", "INFO")


def _tracker(config: Config, _settings: Config, found: Values) -> None:
    found |= tracker_values(config["visualizer"])
