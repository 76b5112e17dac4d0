"""Experiment -> XTuner V0 configuration, as literals and dotted type names.

The result runs under stock `xtuner train`, whoever has it; nothing in it names ftcore. Dotted names rather
than imports: mmengine's lazy configurations fail to load inside a virtual environment (mmengine 0.10.7).
"""

from ftcore.config.schema import Experiment
from ftcore.config.xtuner.data import dataloader
from ftcore.config.xtuner.hooks import custom_hooks, default_hooks, log_processor
from ftcore.config.xtuner.model import model, tokenizer
from ftcore.config.xtuner.passthrough import pass_through
from ftcore.config.xtuner.tracker import visualizer
from ftcore.config.xtuner.values import AMP_DTYPE, Config, number


def build(e: Experiment) -> Config:
    """The whole configuration, in XTuner's own order of parts."""
    reads = tokenizer(e)
    config: Config = {
        "tokenizer": reads,
        "model": model(e),
        "train_dataloader": dataloader(e, reads),
        "sequence_parallel_size": e.parallelism.sequence_parallel,
        "optim_wrapper": _optim_wrapper(e),
        "param_scheduler": _schedule(e),
        "train_cfg": {"type": "xtuner.engine.runner.TrainLoop", **_duration(e)},
        "custom_hooks": custom_hooks(e, reads),
        "default_hooks": default_hooks(e),
        "env_cfg": {
            "cudnn_benchmark": False,
            "mp_cfg": {"mp_start_method": "fork", "opencv_num_threads": 0},
            "dist_cfg": {"backend": backend(e)},
        },
        "visualizer": visualizer(e),
        "log_level": e.logging.level,
        "load_from": None,
        "resume": False,
        "randomness": {"seed": e.seed, "deterministic": e.deterministic},
        "log_processor": log_processor(e),
    }
    if e.data.varlen:  # read by xtuner train itself
        config["use_varlen_attn"] = True
    return pass_through(config, e.passthrough.set, e.passthrough.remove)


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


def _optim_wrapper(e: Experiment) -> Config:
    optim = e.optim
    optimizer: Config = {
        "type": "torch.optim.AdamW",
        "lr": optim.lr,
        "betas": list(optim.betas),
        "weight_decay": number(optim.weight_decay),
    }
    if optim.eps != 1e-8:  # torch's own default
        optimizer["eps"] = optim.eps
    clip = {"max_norm": number(optim.max_grad_norm), "error_if_nonfinite": False}
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
    return {"max_epochs": number(e.epochs)}


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
