"""Shapes that are trained: well-known ones, and one cut short so that it fits a card and is soon written."""

from ftcore.plan.shapes import KNOWN

SHAPES = KNOWN | {"Qwen3-30B-A3B-12-layers": KNOWN["Qwen3-30B-A3B"] | {"num_hidden_layers": 12}}
