"""The hooks of an experiment's XTuner configuration."""

from ftcore.config.schema import Experiment
from ftcore.config.xtuner.values import Config, template


def custom_hooks(e: Experiment, tokenizer: Config) -> list[Config]:
    """What runs beside training: samples, figures, and the lengths of packed rows."""
    hooks: list[Config] = [{"type": "xtuner.engine.hooks.DatasetInfoHook", "tokenizer": tokenizer}]
    if e.data.sampler == "intern_repo":
        hooks[0]["is_intern_repo_dataset"] = True
    # Under ZeRO-3 each generated token gathers the whole model.
    if e.chat_samples.every and e.zero_stage != 3:
        hooks.append(_chat(e, tokenizer))
    hooks.append({"type": "xtuner.engine.hooks.ThroughputHook"})
    if e.data.varlen:
        hooks.append({"type": "xtuner.engine.hooks.VarlenAttnArgsToMessageHubHook"})
    return hooks


def default_hooks(e: Experiment) -> Config:
    """The hooks that every mmengine runner has."""
    checkpoint: Config = {
        "type": "mmengine.hooks.CheckpointHook",
        "by_epoch": False,
        "interval": e.checkpoint.every or -1,
        "max_keep_ckpts": e.checkpoint.keep or -1,
        "save_optimizer": True,
    }
    if e.checkpoint.every is None:
        checkpoint["save_last"] = False
    return {
        "timer": {"type": "mmengine.hooks.IterTimerHook"},
        "logger": {
            "type": "mmengine.hooks.LoggerHook",
            "log_metric_by_epoch": False,
            "interval": e.logging.every,
        },
        "param_scheduler": {"type": "mmengine.hooks.ParamSchedulerHook"},
        "checkpoint": checkpoint,
        "sampler_seed": {"type": "mmengine.hooks.DistSamplerSeedHook"},
    }


def log_processor(e: Experiment) -> Config:
    """What the text log averages."""
    config: Config = {"by_epoch": False}
    if e.logging.window != 10:  # mmengine's own
        config["window_size"] = e.logging.window
    if e.logging.averages is not None:
        config["mean_pattern"] = e.logging.averages
    return config


def _chat(e: Experiment, tokenizer: Config) -> Config:
    samples = e.chat_samples
    hook: Config = {
        "type": "xtuner.engine.hooks.EvaluateChatHook",
        "tokenizer": tokenizer,
        "every_n_iters": samples.every,
        "evaluation_inputs": list(samples.inputs),
        # The hook puts this text through str.format.
        "system": samples.system.replace("{", "{{").replace("}", "}}"),
        "max_new_tokens": samples.max_new_tokens,
    }
    if e.data.format not in ("text", "tokens"):  # a text is gone on with, as it stands
        hook["prompt_template"] = template(e.model.template)
    if samples.stop_words:
        hook["stop_words"] = list(samples.stop_words)
    return hook
