"""Experiment -> XTuner V0 configuration, as literals and dotted type names.

The result runs under stock `xtuner train`, whoever has it; nothing in it names ftcore. Dotted names rather
than imports: mmengine's lazy configurations fail to load inside a virtual environment (mmengine 0.10.7).
"""

from pathlib import PurePosixPath
from typing import Any

from ftcore.config.schema import Experiment

Config = dict[str, Any]

TORCH_DTYPE = {"fp32": "torch.float32", "bf16": "torch.bfloat16", "fp16": "torch.float16"}
AMP_DTYPE = {"bf16": "bfloat16", "fp16": "float16"}
MAP_FN = {
    "agent_flan": "xtuner.dataset.map_fns.openai_map_fn",
    "function_calls": "xtuner.dataset.map_fns.openai_map_fn",
    "openai": "xtuner.dataset.map_fns.openai_map_fn",
    "alpaca": "xtuner.dataset.map_fns.alpaca_map_fn",
    "text": "xtuner.dataset.map_fns.pretrain_map_fn",
}
CONVERTED = ("agent_flan", "function_calls")
"""Formats that stock XTuner cannot read; stage prepare leaves them as an Arrow folder of `messages`."""


def build(e: Experiment) -> Config:
    """The whole configuration, in XTuner's own order of parts."""
    tokenizer = _tokenizer(e)
    return {
        "tokenizer": tokenizer,
        "model": _model(e),
        "train_dataloader": _dataloader(e, tokenizer),
        "sequence_parallel_size": e.parallelism.sequence_parallel,
        "optim_wrapper": _optim_wrapper(e),
        "param_scheduler": _schedule(e),
        "train_cfg": {"type": "xtuner.engine.runner.TrainLoop", **_duration(e)},
        "custom_hooks": _custom_hooks(e, tokenizer),
        "default_hooks": _default_hooks(e),
        "env_cfg": {
            "cudnn_benchmark": False,
            "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0},
            "dist_cfg": {"backend": backend(e)},
        },
        "visualizer": None,
        "log_level": e.logging.level,
        "load_from": None,
        "resume": False,
        "randomness": {"seed": e.seed, "deterministic": e.deterministic},
        "log_processor": {"by_epoch": False},
    }


def deepspeed_config(e: Experiment) -> Config | None:
    """The DeepSpeed JSON, or None where DeepSpeed is not used.

    Precision is written out: left to `auto`, XTuner takes bf16 whenever torch claims to support it, and on
    HIP it always does.
    """
    if e.parallelism.deepspeed is None:
        return None
    block = e.parallelism.deepspeed.model_dump()
    zero = block.pop("zero_optimization")
    tuning = zero.pop("tuning")
    fp16: Config = {"enabled": e.precision.dtype == "fp16", "initial_scale_power": 16}
    if e.precision.dtype == "fp16" and e.precision.loss_scale != "dynamic":
        fp16["loss_scale"] = e.precision.loss_scale
    return {
        "gradient_accumulation_steps": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_clipping": "auto",
        **block,
        "zero_optimization": {key: value for key, value in zero.items() if value is not None} | tuning,
        "fp16": fp16,
        "bf16": {"enabled": e.precision.dtype == "bf16"},
    }


def backend(e: Experiment) -> str:
    """torch.distributed's backend; on a DCU `nccl` is RCCL."""
    return "gloo" if e.hardware.accelerator == "cpu" else "nccl"


def messages_path(e: Experiment) -> str:
    """Where stage prepare leaves converted rows for stock XTuner."""
    return str(PurePosixPath(e.cache_dir) / "messages" / e.data.name)


def _tokenizer(e: Experiment) -> Config:
    return {
        "type": "transformers.AutoTokenizer.from_pretrained",
        "pretrained_model_name_or_path": e.model.path,
        "trust_remote_code": e.model.trust_remote_code,
        "padding_side": "right",
    }


def _model(e: Experiment) -> Config:
    dtype = TORCH_DTYPE[e.precision.dtype]
    llm: Config = {
        "type": "transformers.AutoModelForCausalLM.from_pretrained",
        "pretrained_model_name_or_path": e.model.path,
        "trust_remote_code": e.model.trust_remote_code,
        "torch_dtype": "torch.float32" if _trains_all_itself(e) else dtype,
    }
    if e.model.attention != "sdpa":  # sdpa is what transformers takes by itself
        llm["attn_implementation"] = e.model.attention
    if quantization := e.lora.quantization:
        llm["quantization_config"] = {
            "type": "transformers.BitsAndBytesConfig",
            "load_in_4bit": quantization.bits == 4,
            "load_in_8bit": quantization.bits == 8,
            "llm_int8_threshold": 6.0,
            "llm_int8_has_fp16_weight": False,
            "bnb_4bit_compute_dtype": dtype,
            "bnb_4bit_use_double_quant": quantization.double_quant,
            "bnb_4bit_quant_type": quantization.quant_type,
        }
    model: Config = {
        "type": "xtuner.model.SupervisedFinetune",
        "use_varlen_attn": False,
        "use_activation_checkpointing": e.model.activation_checkpointing,
        "llm": llm,
    }
    if e.lora.method != "full":
        model["lora"] = {
            "type": "peft.LoraConfig",
            "r": e.lora.rank,
            "lora_alpha": _number(e.lora.alpha),
            "lora_dropout": e.lora.dropout,
            "bias": e.lora.bias,
            "task_type": "CAUSAL_LM",
        }
        if e.lora.targets is not None:
            model["lora"]["target_modules"] = list(e.lora.targets)
    return model


def _trains_all_itself(e: Experiment) -> bool:
    """Whether every weight is trained without DeepSpeed, which would keep an fp32 copy of its own.

    16-bit weights then lose most updates to rounding, and torch refuses to unscale fp16 gradients;
    autocast computes in 16 bit from fp32 weights.
    """
    return e.lora.method == "full" and e.parallelism.strategy != "deepspeed"


def _dataloader(e: Experiment, tokenizer: Config) -> Config:
    text = e.data.format == "text"
    template = f"xtuner.utils.PROMPT_TEMPLATE.{e.model.template}"
    sampler = "xtuner.parallel.sequence.SequenceParallelSampler"
    return {
        "batch_size": e.data.micro_batch_size,
        "num_workers": e.data.num_workers,
        "dataset": {
            "type": "xtuner.dataset.process_hf_dataset",
            "dataset": _source(e),
            "tokenizer": tokenizer,
            "max_length": e.max_length,
            "dataset_map_fn": MAP_FN[e.data.format],
            "template_map_fn": None
            if text
            else {"type": "xtuner.dataset.map_fns.template_map_fn_factory", "template": template},
            "max_dataset_length": e.data.max_rows,
            "remove_unused_columns": True,
            "shuffle_before_pack": e.data.shuffle,
            "pack_to_max_length": e.data.packing,
            "use_varlen_attn": False,
        },
        "sampler": {
            "type": sampler if e.parallelism.sequence_parallel > 1 else "mmengine.dataset.DefaultSampler",
            "shuffle": e.data.shuffle,
        },
        "collate_fn": {"type": "xtuner.dataset.collate_fns.default_collate_fn", "use_varlen_attn": False},
    }


def _source(e: Experiment) -> Config:
    if e.data.format in CONVERTED:
        return {"type": "datasets.load_from_disk", "dataset_path": messages_path(e)}
    path = e.data.path or ""
    kind = "text" if path.endswith(".txt") else "json"
    files = path if PurePosixPath(path).suffix else f"{path}/*"
    return {"type": "datasets.load_dataset", "path": kind, "data_files": files}


def _optim_wrapper(e: Experiment) -> Config:
    optim = e.optim
    optimizer: Config = {
        "type": "torch.optim.AdamW",
        "lr": optim.lr,
        "betas": list(optim.betas),
        "weight_decay": _number(optim.weight_decay),
    }
    if optim.eps != 1e-8:  # torch's own default
        optimizer["eps"] = optim.eps
    clip = {"max_norm": _number(optim.max_grad_norm), "error_if_nonfinite": False}
    wrapper: Config = {
        "type": "mmengine.optim.OptimWrapper",
        "optimizer": optimizer,
        "clip_grad": clip if optim.max_grad_norm else None,
        "accumulative_counts": optim.gradient_accumulation * e.parallelism.sequence_parallel,
    }
    if e.precision.dtype != "fp32":
        wrapper["type"] = "mmengine.optim.AmpOptimWrapper"
        # bf16 has fp32's range: scaling its loss would only cost time.
        wrapper["loss_scale"] = e.precision.loss_scale if e.precision.dtype == "fp16" else 1.0
        wrapper["dtype"] = AMP_DTYPE[e.precision.dtype]
    return wrapper


def _duration(e: Experiment) -> Config:
    if e.max_steps is not None:
        return {"max_iters": e.max_steps * e.optim.gradient_accumulation * e.parallelism.sequence_parallel}
    return {"max_epochs": _number(e.epochs)}


def _schedule(e: Experiment) -> list[Config]:
    """Warm-up, then decay; by epoch where training is, as XTuner's own configurations have it."""
    duration = _duration(e)
    by_epoch = "max_epochs" in duration
    whole = duration["max_epochs" if by_epoch else "max_iters"]
    warmup = e.optim.warmup_ratio * whole if by_epoch else round(e.optim.warmup_ratio * whole)
    unit: Config = {"by_epoch": by_epoch} | ({"convert_to_iter_based": True} if by_epoch else {})
    parts: list[Config] = []
    if warmup:
        start = {"type": "mmengine.optim.LinearLR", "start_factor": e.optim.warmup_start}
        parts.append({**start, "begin": 0, "end": warmup, **unit})
    if warmup >= whole:  # mmengine refuses a scheduler that ends where it begins
        return parts
    span = {"begin": warmup, "end": whole, **unit}
    if e.optim.schedule == "cosine":
        decay = {"type": "mmengine.optim.CosineAnnealingLR", "eta_min": e.optim.lr * e.optim.min_lr_ratio}
        parts.append({**decay, **span})
    elif e.optim.schedule == "linear":
        decay = {"type": "mmengine.optim.LinearLR", "start_factor": 1.0, "end_factor": e.optim.min_lr_ratio}
        parts.append({**decay, **span})
    return parts


def _custom_hooks(e: Experiment, tokenizer: Config) -> list[Config]:
    hooks: list[Config] = [{"type": "xtuner.engine.hooks.DatasetInfoHook", "tokenizer": tokenizer}]
    # Under ZeRO-3 each generated token gathers the whole model.
    if e.chat_samples.every and e.zero_stage != 3:
        hooks.append(
            {
                "type": "xtuner.engine.hooks.EvaluateChatHook",
                "tokenizer": tokenizer,
                "every_n_iters": e.chat_samples.every,
                "evaluation_inputs": list(e.chat_samples.inputs),
                # The hook puts this text through str.format.
                "system": e.chat_samples.system.replace("{", "{{").replace("}", "}}"),
                "prompt_template": f"xtuner.utils.PROMPT_TEMPLATE.{e.model.template}",
                "max_new_tokens": e.chat_samples.max_new_tokens,
            }
        )
    hooks.append({"type": "xtuner.engine.hooks.ThroughputHook"})
    return hooks


def _default_hooks(e: Experiment) -> Config:
    return {
        "timer": {"type": "mmengine.hooks.IterTimerHook"},
        "logger": {
            "type": "mmengine.hooks.LoggerHook",
            "log_metric_by_epoch": False,
            "interval": e.logging.every,
        },
        "param_scheduler": {"type": "mmengine.hooks.ParamSchedulerHook"},
        "checkpoint": {
            "type": "mmengine.hooks.CheckpointHook",
            "by_epoch": False,
            "interval": e.checkpoint.every,
            "max_keep_ckpts": e.checkpoint.keep,
            "save_optimizer": True,
        },
        "sampler_seed": {"type": "mmengine.hooks.DistSamplerSeedHook"},
    }


def _number(value: float) -> float | int:
    """Whole numbers as people write them: 16, not 16.0."""
    return int(value) if float(value).is_integer() else value
