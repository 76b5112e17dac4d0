"""What `plan` says, as data."""

import json

from ftcore.config.compose import compose
from ftcore.plan.summary import summarise


def test_kernels_as_they_were_chosen(tmp_path, monkeypatch):
    """The plan has the kernels field by field."""
    monkeypatch.chdir(tmp_path)
    composed = compose(["hardware=cuda", "kernels=fast", "kernels.recompute_layers=3"])
    plan = json.loads(json.dumps(summarise(composed)))
    assert plan["choices"]["kernels"] == "fast"
    assert plan["kernels"] == {
        "layers": "fused", "loss": "fused", "attention": "rows", "frozen_weights": "native",
        "optimizer": "fused", "recompute_layers": 3,
    }  # fmt: skip
