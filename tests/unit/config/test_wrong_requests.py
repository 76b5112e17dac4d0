"""What is wrong with a request is told under its full key, with the nearest valid name, all at once."""

# ruff: noqa: E501 (a case a line)

import pytest

from ftcore.config.compose import compose
from ftcore.config.errors import RequestError

CASES = {
    "unknown key": (["data.micro_batchsize=2"], "data.micro_batchsize: no such key; did you mean data.micro_batch_size?"),
    "unknown leaf": (["micro_batch_size=2"], "micro_batch_size: no such key; did you mean data.micro_batch_size?"),
    "unknown group": (["optimizer=adamw"], "optimizer: no such key; did you mean optim.optimizer?"),
    "unknown choice": (["precision=bf1"], "precision: no choice named 'bf1'; allowed: auto, bf16, fp16, fp32; did you mean bf16?"),
    "beginning of a choice": (["model=smolm2"], "did you mean smollm2_135m_instruct?"),
    "field's word": (["hardware=gpu"], "did you mean cuda?"),
    "vendor's word": (["hardware=ROCm"], "did you mean dcu?"),
    "torch's word": (["precision=float16"], "did you mean fp16?"),
    "hidden part": (["model=_base"], "model: no choice named '_base'"),
    "list of choices": (["model=[qwen3_8b]"], "model: no choice named ['qwen3_8b']"),
    "no choice": (["model=null"], "model: no choice named None"),
    "group left out": (["~model"], "model: a group cannot be left out"),
    "group added": (["+experiment=quickstart"], "did you mean experiment=quickstart?"),
    "group elsewhere": (["model@base=qwen3_8b"], "model@base: a group's place is fixed; did you mean model=qwen3_8b?"),
    "wrong type": (["epochs=many"], "epochs: should be a valid number; got 'many'"),
    "text for a truth": (["data.packing=yes please"], "data.packing: should be a valid boolean; got 'yes please'"),
    "number for a text": (["model.path=3"], "model.path: should be a valid string; got 3"),
    "fraction for a count": (["nodes=1.5"], "nodes: should be a valid integer"),
    "infinite": (["lr=inf"], "lr: should be a finite number"),
    "not a number": (["epochs=nan"], "epochs: should be a finite number"),
    "out of range": (["nodes=0"], "nodes: should be greater than or equal to 1; got 0"),
    "too large": (["seed=4294967296"], "seed: should be less than 4294967296"),
    "fed key out of range": (["lr=-1"], "lr: should be greater than 0; got -1"),
    "list too short": (["optim.betas=[0.9]"], "optim.betas.1: missing"),
    "wrong in a list": (["optim.betas=[0.9,2]"], "optim.betas.1: should be less than 1; got 2"),
    "choice of values": (["optim.schedule=cosin"], "allowed: cosine, linear or constant; did you mean cosine?"),
    "value or number": (["precision.loss_scale=dynamik"], "precision.loss_scale: 'dynamik' is not allowed; allowed: dynamic, a number"),
    "loss scale below zero": (["precision.loss_scale=-1"], "precision.loss_scale"),
    "union": (["cluster.kind=pbs"], "cluster.kind: 'pbs' is not allowed; allowed: local, slurm"),
    "union near": (["cluster.kind=slrum"], "did you mean slurm?"),
    "section as a value": (["optim=3"], "optim: no choice named 3"),
    "no time for a warning": (["cluster=slurm", "cluster.time='2:00'"], "cluster.signal_seconds: a warning 180 s before the limit (cluster.time=2:00) comes before the job; allowed: 10 to 119"),
    "broken interpolation": (["lr=${no.such}"], "lr: cannot resolve ${no.such}"),
    "circle": (["lr=${optim.lr}"], "lr: cannot resolve"),
    "unknown resolver": (["lr=${env:X}"], "lr: cannot resolve ${env:X}"),
    "missing value": (["model.path=???"], "model.path: must be given"),
    "missing name": (["name=???"], "name: must be given"),
    "left out": (["~lr"], "lr: cannot be left out"),
    "left out, part of": (["~optim.betas"], "optim.betas: cannot be left out"),
    "added key": (["+data.foo=1"], "data.foo: no such key"),
    "added again": (["+lr=3"], "+lr: is there already; did you mean lr=3?"),
    "open mapping": (["hardware.env.FOO=1"], "hardware.env.FOO: no such key yet; did you mean +hardware.env.FOO=...?"),
    "open mapping whole": (["hardware.env={FOO: a}"], "hardware.env: no such key yet; did you mean +hardware.env=...?"),
    "list in the environment": (["+hardware.env.FOO=[1]"], "hardware.env.FOO: should be a valid string; got [1]"),
    "absent section": (["lora.quantization.bits=4"], "lora.quantization.bits: this experiment has no lora.quantization"),
    "sweep without -m": (["lr=1e-4,2e-4"], "lr: several values make a sweep; did you mean -m lr=1e-4,2e-4?"),
    "sweep of a group": (["model=qwen3_8b,smollm2_135m_instruct"], "model: several values make a sweep"),
    "range": (["nodes=range(1,3)"], "nodes: several values make a sweep"),
    "malformed": (["lr=[1"], "lr=[1: not an override"),
    "two signs": (["a==b"], "a==b: not an override"),
    "nothing": ([""], "'': not an override"),
    "no key": (["=3"], "=3: not an override"),
    "unknown function": (["lr=foo(3)"], "lr=foo(3): not an override"),
    "function near": (["lr=choise(1,2)"], "did you mean choice?"),
    "all tokens left out": (["lr==3"], "lr==3: not an override (extraneous input '='); allowed: key=value"),
    "too deep": (["lr=" + "[" * 5000], "not an override"),
    "hydra's own": (["hydra.run.dir=x"], "hydra.run.dir: Hydra composes and does not run ftcore"),
    "hydra's launcher": (["hydra/launcher=submitit_slurm"], "hydra/launcher: Hydra composes"),
    "garbage": (["hydra.=1"], "hydra"),
    "outside": (["name=../x"], "name: '../x' is not allowed; allowed: Folder under `runs_dir`"),
    "hidden": (["name=.x"], "name: '.x' is not allowed"),
    "long name": (["name=" + "x" * 101], "name: "),
    "data outside": (["data.name=../x"], "data.name: '../x' is not allowed"),
    "null byte": (["runs_dir='a\0b'"], "runs_dir"),
    "half a character": (["data.path='\udcff'"], "data.path"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_told_under_its_key(case):
    """One wrong override is one problem, with key, reason and what to write."""
    texts, expected = CASES[case]
    with pytest.raises(RequestError) as caught:
        compose(texts)
    shown = [str(problem) for problem in caught.value.problems]
    assert any(expected in line for line in shown), shown
    assert all(len(line) < 700 and "\n" not in line for line in shown)


CONTRADICTIONS = {
    "qlora on a DCU": (["lora=qlora", "hardware=dcu"], "lora"),
    "qlora on a CPU": (["lora=qlora", "hardware=cpu"], "lora"),
    "qlora under ZeRO-3": (["lora=qlora", "hardware=cuda", "parallelism=zero3"], "lora"),
    "qlora without its block": (["lora=qlora", "hardware=cuda", "lora.quantization=null"], "lora.quantization"),
    "block without qlora": (["lora.quantization={bits:4,quant_type:nf4,double_quant:true,storage:uint8}"], "lora.quantization"),
    "adapter on nothing": (["lora.targets=[]"], "lora.targets"),
    "bf16 on gfx906": (["hardware=dcu", "hardware.arch=gfx906", "precision=bf16"], "precision"),
    "bf16 on a V100": (["hardware=cuda", "hardware.arch=sm_70", "precision=bf16"], "precision"),
    "fp16 on a CPU": (["hardware=cpu", "precision=fp16"], "precision"),
    "flash attention on a CPU": (["hardware=cpu", "model.attention=flash_attention_2"], "model.attention"),
    "flash attention in fp32": (["hardware=cuda", "precision=fp32", "model.attention=flash_attention_2"], "model.attention"),
    "length against sequence parallel": (
        ["hardware=cuda", "parallelism.sequence_parallel=8", "max_length=1001", "model.attention=flash_attention_2"],
        "max_length",
    ),
    "world against sequence parallel": (["hardware=cuda", "parallelism.sequence_parallel=3"], "parallelism.sequence_parallel"),
    "sequence parallel without flash attention": (["hardware=cuda", "parallelism.sequence_parallel=2", "kernels=stock"], "parallelism.sequence_parallel"),
    "length against the model": (["max_length=8193"], "max_length"),
    "optimiser offload without ZeRO": (
        ["parallelism=zero2_offload", "hardware=cuda", "parallelism.deepspeed.zero_optimization.stage=0"],
        "parallelism.deepspeed.zero_optimization.offload_optimizer",
    ),
    "weights offload without ZeRO-3": (
        ["parallelism=zero3_offload", "hardware=cuda", "parallelism.deepspeed.zero_optimization.stage=2"],
        "parallelism.deepspeed.zero_optimization.offload_param",
    ),
    "deepspeed without its block": (["parallelism.strategy=deepspeed"], "parallelism.deepspeed"),
    "block without deepspeed": (["parallelism=zero3", "parallelism.strategy=ddp"], "parallelism.deepspeed"),
    "one process on many": (["parallelism=single", "hardware=cuda", "hardware.devices_per_node=4"], "parallelism"),
    "one process on many nodes": (["parallelism=single", "nodes=2"], "parallelism"),
    "zero2 on a CPU": (["parallelism=zero2", "hardware=cpu"], "parallelism"),
    "zero1 on a CPU": (["parallelism=zero1", "hardware=cpu"], "parallelism"),
    "trained on what is held out": (["evaluation.categories=[simple_python]"], "data.categories"),
    "refusals trained on": (["evaluation.refusal_categories=[live_irrelevance]"], "data.categories"),
    "no data": (["data=alpaca", "data.path=null"], "data.path"),
    "a misspelt variable": (["hardware=dcu", "+hardware.env.HSA_FORCE_FINE_GRAIN_PRICE=1"], "hardware.env.HSA_FORCE_FINE_GRAIN_PRICE"),
    "a secret that would be kept": (["+cluster.env.WANDB_API_KEY=abc"], "cluster.env.WANDB_API_KEY"),
    "a misspelt variable of the cluster": (["+cluster.env.NCCL_SOCKET_IFNAMES=ib0"], "cluster.env.NCCL_SOCKET_IFNAMES"),
    "cards chosen twice on a DCU": (
        ["hardware=dcu", "+hardware.env.HIP_VISIBLE_DEVICES='0,1'", "+cluster.env.CUDA_VISIBLE_DEVICES='0,1'"],
        "cluster.env.CUDA_VISIBLE_DEVICES",
    ),
    "nothing to ask": (["chat_samples.every=10"], "chat_samples.inputs"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradiction(case):
    """Settings that are each valid and cannot work together are refused under a key of theirs."""
    texts, key = CONTRADICTIONS[case]
    with pytest.raises(RequestError) as caught:
        compose(texts)
    assert key in {problem.key for problem in caught.value.problems}


def test_all_at_once():
    """Every kind of mistake in one request is told in one error, contradictions among valid keys included."""
    texts = [
        "model=qwen3", "data.micro_batchsize=2", "epochs=many", "nodes=0", "lr=[1", "seed=1,2", "name=../x",
        "lora=qlora", "hardware=dcu", "optim.schedule=cosin", "hydra.verbose=true", "cluster.kind=pbs",
        "model.path=???", "optim.eps=${nope}",
    ]  # fmt: skip
    with pytest.raises(RequestError) as caught:
        compose(texts)
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {
        "model", "data.micro_batchsize", "epochs", "nodes", "lr=[1", "seed", "name", "lora", "optim.schedule",
        "hydra.verbose", "cluster.kind", "model.path", "optim.eps",
    }  # fmt: skip


def test_each_problem_once():
    """The same mistake twice is told once."""
    with pytest.raises(RequestError) as caught:
        compose(["foo=1", "foo=1"])
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("nodes", ["{a: 1}", "[1]", "null", "x", "1.0"])
def test_wrong_types_reach_no_resolver(nodes):
    """A value of the wrong type is told as that, not as the failure of what is computed from it."""
    with pytest.raises(RequestError) as caught:
        compose([f"nodes={nodes}", "hardware=cuda", f"hardware.arch={nodes}1"])
    assert "nodes" in {problem.key for problem in caught.value.problems}
    assert not any("resolv" in problem.message for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("typed", "key", "value"),
    [
        ("name=试验", "name", "试验"),
        ("name=试验-1.b", "name", "试验-1.b"),
        ("data.path=数据/a b.jsonl", "data.path", "数据/a b.jsonl"),
        ("chat_samples.inputs=[你好, hello, 'a,b']", "chat_samples.inputs", ("你好", "hello", "a,b")),
        ('data.path="数据"', "data.path", "数据"),
        ("data.path=${name}/数据", "data.path", "quickstart/数据"),
        ("+hardware.env={PATH: путь/к, B: b}", "hardware.env", {"PATH": "путь/к", "B": "b"}),
        ("data.path=café", "data.path", "café"),
    ],
)
def test_any_script(typed, key, value):
    """Values in any script need no quotes."""
    node = compose([typed]).experiment
    for part in key.split("."):
        node = getattr(node, part)
    assert node == value
