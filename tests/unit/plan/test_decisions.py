"""Differences from stock XTuner are stated where they apply, and there alone."""

import pytest

from ftcore.config.compose import compose
from ftcore.plan.decisions import ALL, decisions

SAMPLES = ["chat_samples.every=5", "chat_samples.inputs=[hello]"]
CASES = {
    "custom_hooks.EvaluateChatHook": (["hardware=cuda", "parallelism=zero3", *SAMPLES], SAMPLES),
    "custom_hooks.EvaluateChatHook.system": (SAMPLES, ["hardware=cuda", "parallelism=zero3", *SAMPLES]),
    "DeepSpeed fp16 / bf16": (["hardware=cuda", "parallelism=zero2"], ["parallelism=ddp"]),
    "param_scheduler": (["optim.warmup_ratio=0.03"], ["optim.warmup_ratio=0"]),
    "default_hooks.checkpoint.interval": (
        ["optim.gradient_accumulation=2"], ["optim.gradient_accumulation=1"],
    ),
    "train_dataloader.dataset.pack_to_max_length": (["data.packing=true"], ["data.packing=false"]),
    "model.llm (frozen weights)": (["hardware=cuda", "precision=bf16"], ["precision=fp32"]),
}  # fmt: skip


@pytest.mark.parametrize("setting", CASES)
def test_applies_where_it_should(setting):
    """A conditional difference is told for an experiment that has it and not for one that does not."""
    with_it, without = ({d.setting for d in decisions(compose(texts).experiment)} for texts in CASES[setting])
    assert setting in with_it
    assert setting not in without


def test_nothing_unconditional_is_forgotten():
    """All other differences apply to every experiment."""
    always = {d.setting for _, d in ALL} - set(CASES)
    assert always <= {d.setting for d in decisions(compose(["optim.warmup_ratio=0"]).experiment)}


def test_each_has_its_reason():
    """No difference is stated without what stock does, what ftcore does, and why."""
    for _, decision in ALL:
        assert decision.stock and decision.ftcore and decision.reason
        assert decision.stock != decision.ftcore
