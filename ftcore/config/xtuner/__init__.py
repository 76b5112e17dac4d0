"""The XTuner / mmengine configuration of an experiment: pure data, and its Python text."""

from ftcore.config.xtuner.build import build, deepspeed_config
from ftcore.config.xtuner.render import render

__all__ = ["build", "deepspeed_config", "render"]
