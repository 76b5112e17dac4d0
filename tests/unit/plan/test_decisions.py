"""Differences from stock XTuner are stated where they apply, and there alone."""

import pytest

from ftcore.config.compose import compose
from ftcore.plan.decisions import ALL, decisions

FAST = ["hardware=cuda", "kernels=fast", "precision=bf16"]
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
    "model.llm (products with frozen weights)": (
        ["hardware=cuda", "hardware.arch=sm_90", "precision=bf16", "kernels=fast_fp8"], FAST,
    ),
    "model.lora (adapter)": (FAST, ["hardware=cpu", "kernels=fast", "precision=fp32"]),
    "model.lora.lora_dropout": ([*FAST, "lora.dropout=0.1"], FAST),
    "model.use_activation_checkpointing": (FAST, [*FAST, "kernels.recompute_layers=null"]),
    "loss": (FAST, [*FAST, "kernels.loss=stock"]),
    "attention of a sequence": (FAST, [*FAST, "kernels.layers=stock", "kernels.attention=stock"]),
}  # fmt: skip


@pytest.mark.parametrize("setting", CASES)
def test_applies_where_it_should(setting):
    """A conditional difference is told for an experiment that has it and not for one that does not."""
    with_it, without = ({d.setting for d in decisions(compose(texts).experiment)} for texts in CASES[setting])
    assert setting in with_it
    assert setting not in without


def settings(*words):
    """The settings that differ."""
    return {d.setting for d in decisions(compose([*words]).experiment)}


def test_of_kernels_left_to_ftcore():
    """auto differs as an order would, except where it has to be stock; stock does not differ."""
    own = {"model.lora (adapter)", "loss", "attention of a sequence", "model.use_activation_checkpointing"}
    assert own <= settings("hardware=cuda", "precision=bf16", "kernels=auto")
    assert not own & settings("hardware=cuda", "precision=bf16", "kernels=stock")
    assert own & settings("hardware=cuda", "parallelism=zero3") == {"attention of a sequence"}
    assert own & settings("hardware=cuda", "lora=qlora") == {"loss", "attention of a sequence"}
    assert not own & settings("hardware=dcu") and not own & settings("hardware=cpu")


def test_nothing_unconditional_is_forgotten():
    """All other differences apply to every experiment."""
    always = {d.setting for _, d in ALL} - set(CASES)
    assert always <= {d.setting for d in decisions(compose(["optim.warmup_ratio=0"]).experiment)}


def test_each_has_its_reason():
    """No difference is stated without what stock does, what ftcore does, and why."""
    for _, decision in ALL:
        assert decision.stock and decision.ftcore and decision.reason
        assert decision.stock != decision.ftcore
