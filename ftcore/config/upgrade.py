"""Configurations that older versions froze, as this version's schema has them.

Keys that came since get the value that means what was done before.
"""

from copy import deepcopy
from typing import Any

from ftcore.config.nested import put

CAME_SINCE: dict[str, Any] = {
    "model.bot_name": None,
    "model.tokenizer": {"padding_side": "right", "eos_token": None, "encode_special_tokens": None},
    "data.hub": None, "data.subset": None, "data.split": None, "data.folder": None, "data.files": None,
    "data.mix": {}, "data.shuffle_before_packing": True, "data.sampler": "default", "data.varlen": False,
    "precision.weights": "auto",
    "kernels": {
        "layers": "stock", "loss": "stock", "attention": "stock", "frozen_weights": "native",
        "optimizer": "stock", "recompute_layers": None,
    },
    "logging.window": 10, "logging.averages": None,
    "chat_samples.stop_words": [],
    "passthrough": {"set": {}, "remove": []},
    "tracker": {"kind": "none"},
    "cluster.price_per_device_hour": None, "cluster.currency": None, "cluster.quota_device_hours": None,
    "hardware.rates": "auto", "hardware.link_gbps": None, "cluster.network_gbps": None,
    "evaluation.perplexity": {
        "text": None, "max_tokens": 8192, "window": 512, "stride": 256, "batch_size": 4,
    },
    "evaluation.endpoint": {"prompt": "text", "concurrency": 8, "retries": 4, "timeout_seconds": 120},
    "deploy": {"kind": "none"},
}  # fmt: skip
"""Key -> value, for every configuration."""

CAME_SINCE_FOR_SLURM: dict[str, Any] = {
    "cluster.interface": None,
    "cluster.ib_hca": None,
    "cluster.finish": {
        "own_job": False, "partition": None, "gres": None, "time": "4:00:00", "mem": None,
        "cpus_per_task": 1,
    },
}  # fmt: skip


def upgraded(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with the keys that came since it was written."""
    slurm = isinstance(config.get("cluster"), dict) and config["cluster"].get("kind") == "slurm"
    for key, value in (CAME_SINCE | (CAME_SINCE_FOR_SLURM if slurm else {})).items():
        if not _has(config, key):
            put(config, key, deepcopy(value))
    return config


def _has(config: Any, key: str) -> bool:
    for name in key.split("."):
        if not isinstance(config, dict) or name not in config:
            return False
        config = config[name]
    return True
