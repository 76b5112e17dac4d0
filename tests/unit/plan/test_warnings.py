"""Each rule speaks where it should and is silent where it should not."""

import pytest

from ftcore.config.compose import compose
from ftcore.plan.families import find
from ftcore.plan.host import Disk, Host, disk, host
from ftcore.plan.memory import memory
from ftcore.plan.warnings import RULES, Known, full_logits, slurm_bytes

H100 = (
    "hardware=cuda", "hardware.arch=sm_90", "hardware.memory_gib=79.2", "hardware.devices_per_node=4",
    "precision=bf16", "evaluation=none", "data=agent_flan", "data.path=/rows", "model=llama3_8b_instruct",
)  # fmt: skip
FAST, STOCK = (*H100, "kernels=fast"), (*H100, "kernels=stock")
SLURM = (*H100, "cluster=slurm")
SAMPLES = ("chat_samples.every=5", "chat_samples.inputs=[hello]")
FP16 = (*STOCK, "precision=fp16")
EVALUATED = (*H100, "evaluation=function_calls", "evaluation.batch_size=1", "evaluation.cases=32")
ROOM, NODE = Disk(10, 2, 5, 0), Host(2**30, 2**30, 0)

CASES = {
    "does_not_fit": (([*STOCK, "lora=full"], {}), (STOCK, {})),
    "offload_saves_nothing": (
        ([*STOCK, "parallelism=zero2_offload"], {}),
        ([*STOCK, "parallelism=zero2_offload", "lora=full", "hardware.memory_gib=40"], {}),
    ),
    "sharding_saves_nothing": (
        ([*STOCK, "parallelism=zero3"], {}),
        ([*STOCK, "parallelism=zero3", "lora=full", "hardware.memory_gib=40"], {}),
    ),
    "recomputes_for_nothing": (
        ([*STOCK, "max_length=1024"], {}), ([*STOCK, "max_length=8192", "data.micro_batch_size=4"], {}),
    ),
    "short_rows": (
        ([*H100, "data.packing=false"], {"samples": 10, "tokens": 3000}),
        ([*H100, "data.packing=false"], {"samples": 10, "tokens": 20000}),
    ),
    "rows_unreadable": (
        (H100, {"sampled": {"looked_at": 5, "unreadable": 1, "first_unreadable": "rows: no JSON"}}),
        ([*H100, "data.on_bad_row=skip"], {"sampled": {"looked_at": 5, "unreadable": 1}}),
    ),
    "full_logits": (([*STOCK, "max_length=8192"], {}), ([*FAST, "max_length=8192"], {})),
    "warmup_under_a_step": (
        ([*H100, "optim.warmup_ratio=0.03"], {"steps": 33}),
        ([*H100, "optim.warmup_ratio=0.03"], {"steps": 34}),
    ),
    "nothing_to_resume_from": (
        ([*SLURM, "checkpoint.every=500"], {"iterations": 500}),
        ([*SLURM, "checkpoint.every=500"], {"iterations": 501}),
    ),
    "chat_samples_left_out": (
        ([*STOCK, "parallelism=zero3", *SAMPLES], {}), ([*STOCK, "parallelism=zero2", *SAMPLES], {}),
    ),
    "more_ranks_than_samples": ((H100, {"samples": 3}), (H100, {"samples": 4})),
    "fp16_without_scaling": (
        ([*FP16, "precision.loss_scale=1.0"], {}), ([*FP16, "precision.loss_scale=1024.0"], {}),
    ),
    "evaluation_longer_than_training": ((EVALUATED, {"iterations": 20}), (EVALUATED, {"iterations": 10**6})),
    "host_memory_short": (
        ([*SLURM, "cluster.mem=1G"], {"host": NODE}), ([*SLURM, "cluster.mem=2G"], {"host": NODE}),
    ),
    "disk_short": ((H100, {"disk": ROOM}), (H100, {"disk": Disk(10, 2, 5, 25)})),
}  # fmt: skip


def known(words, values) -> Known:
    e = compose([*words]).experiment
    a = find(e.model.path)[0]
    return Known(e, a, memory(e, a), **values)


def test_every_rule_has_a_case():
    """A rule that is added is shown here to speak and to be silent."""
    assert [rule.__name__ for rule in RULES] == list(CASES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_speaks(rule):
    """Once, with a setting, a reason and what to do instead."""
    found = list(rule(known(*CASES[rule.__name__][0])))
    assert len(found) == 1 and found[0].key and found[0].message and found[0].instead


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_is_silent(rule):
    """Where what it is about is not so."""
    assert not list(rule(known(*CASES[rule.__name__][1])))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_is_silent_where_nothing_is_known(rule):
    """An unknown model, card and data: nothing is guessed."""
    e = compose([*H100, "hardware.memory_gib=null"]).experiment
    assert not list(rule(Known(e)))


def test_full_logits_of_the_original_recipe():
    """At length 1664 it is the logits that are widest: 12 bytes of 128,256 logits for each position, which is
    where the hand-run recipe found its limit."""
    e = compose(["experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6"]).experiment
    a = find(e.model.path)[0]
    found = memory(e, a)
    assert found.phase == "loss"
    assert 0 <= found.peak.logits - 12 * 1664 * 128_256 < 100 * 2**20


def test_full_logits_are_not_blamed_where_there_is_no_other_loss():
    """The fused loss does not know qwen3_moe."""
    words = ["model.path=Qwen/Qwen3-30B-A3B", "data.micro_batch_size=4"]
    e = compose([*STOCK, *words]).experiment
    a = find(e.model.path)[0]
    found = memory(e, a)
    assert found.phase == "loss"
    assert not list(full_logits(Known(e, a, found)))


def test_host_memory_while_loading():
    """A node of 4 CPU ranks holds 4 copies; ranks with cards hold none; ZeRO-3's first rank one."""
    four = ["model=llama3_8b_instruct", "hardware.devices_per_node=4", "data=agent_flan", "data.path=/rows"]
    a = find("Meta-Llama-3-8B")[0]

    def loaded(*words: str) -> float:
        return host(compose([*four, *words]).experiment, a).weights / a.parameters

    cuda = ("hardware=cuda", "precision=bf16", "hardware.arch=sm_90")
    assert loaded("hardware=cpu") == 16.0
    assert loaded(*cuda, "hardware.devices_per_node=4") == 0.0
    assert loaded(*cuda, "hardware.devices_per_node=4", "parallelism=zero3") == 2.0


def test_offloaded_state_is_the_nodes_share():
    """Two nodes hold half each of 16 bytes a trained parameter."""
    words = [*STOCK, "parallelism=zero2_offload", "nodes=2", "lora=full"]
    e = compose(words).experiment
    a = find(e.model.path)[0]
    assert host(e, a).offload == 8 * a.parameters


def test_checkpoints_that_lie_there_at_once():
    """`keep` and the one being written; fewer where fewer are saved; unknown where that is."""
    a = find("Meta-Llama-3-8B")[0]

    def count(iterations: int | None, *words: str) -> int | None:
        return disk(compose([*H100, *words]).experiment, a, iterations).checkpoints

    assert count(10_000, "checkpoint.every=100", "checkpoint.keep=3") == 4
    assert count(250, "checkpoint.every=100", "checkpoint.keep=3") == 3
    assert count(None, "checkpoint.every=100", "checkpoint.keep=3") == 4
    assert count(None, "checkpoint.every=100", "checkpoint.keep=null") is None
    assert count(None, "checkpoint.every=null") == 1


def test_checkpoint_of_an_adapter():
    """fp32 weights and two moments: 12 bytes a trained parameter."""
    e = compose([*STOCK, "rank=64"]).experiment
    assert disk(e, find(e.model.path)[0], 10).checkpoint == 12 * 167_772_160


@pytest.mark.parametrize(
    ("text", "size"), [("90G", 90 * 2**30), ("1024", 2**30), ("1T", 2**40), ("0", None), (None, None)]
)
def test_slurm_memory(text, size):
    """Megabytes where no unit is named; 0 is all there is."""
    assert slurm_bytes(text) == size
