"""One file becomes a preset: what people edit in XTuner's files, and ftcore's own experiments come back."""

# ruff: noqa: E501 (a case a line)

import copy
import random

import pytest

from ftcore.config.compose import compose
from ftcore.config.errors import RequestError
from ftcore.config.xtuner import build, render
from ftcore.config.xtuner.compare import READ_BY_XTUNER, differences
from ftcore.config.xtuner.read import XTunerFile, read
from ftcore.importing import convert as module
from ftcore.importing.convert import compared, convert
from ftcore.importing.preset import MACHINE
from ftcore.importing.write import check, write
from ftcore.plan.preflight import followed

ROWS = "dataset=dict(type=load_dataset, path=alpaca_en_path)"
CLIP = "clip_grad=dict(max_norm=max_norm, error_if_nonfinite=False)"
MODEL = '"internlm/internlm-7b"'
SYSTEM = "SYSTEM = SYSTEM_TEMPLATE.alpaca"
INPUTS = '["请给我介绍五个上海的景点", "Please tell me five scenic spots in Shanghai"]'


def equal(file, deepspeed=None):
    """`file` imported; its preset is rebuilt to the same configuration."""
    imported = convert(file, "mine", deepspeed)
    assert compared(imported.settings, imported.experiment) == []
    return imported


def equal_as_written(file, folder):
    """`file` imported; what was written and composed by Hydra from there is the same configuration."""
    imported = equal(file)
    write(imported, folder, replace=False)
    assert check(imported, folder) == []
    return imported


EDITS = {
    "rope settings": ({"torch_dtype=torch.float16,\n        quant": "rope_scaling=dict(type='linear', factor=2.0),\n        torch_dtype=torch.float16,\n        quant"}, "",
                      ["model.llm.rope_scaling"], True),
    "one more hook": ({}, "custom_hooks.append(dict(type='my.Hook', every=3))", ["custom_hooks"], False),
    "two chat hooks": ({}, "custom_hooks = custom_hooks + [custom_hooks[1]]", ["custom_hooks"], False),
    "SGD": ({"optim_type = AdamW": "from torch.optim import SGD\noptim_type = SGD"}, "", ["optim_wrapper.optimizer.type"], True),
    "PagedAdamW32bit": ({"optim_type = AdamW": "from bitsandbytes.optim import PagedAdamW32bit\noptim_type = PagedAdamW32bit"}, "", ["optim_wrapper.optimizer.type"], True),
    "amsgrad": ({"weight_decay=weight_decay)": "weight_decay=weight_decay, amsgrad=True)"}, "", ["optim_wrapper.optimizer.amsgrad"], True),
    "no rate stated": ({", lr=lr": ""}, "", ["optim_wrapper.optimizer.lr"], True),
    "clipping by value": ({CLIP: "clip_grad=dict(type='value', clip_value=0.5)"}, "", ["optim_wrapper.clip_grad"], True),
    "rates by layer": ({"    accumulative_counts=": "    paramwise_cfg=dict(custom_keys={'llm.head': dict(lr_mult=0.1)}),\n    accumulative_counts="}, "", ["optim_wrapper.paramwise_cfg"], True),
    "several files": ({ROWS: "dataset=dict(type=load_dataset, path='json', data_files=['a.json', 'b.json'])"}, "", ["train_dataloader.dataset.dataset.data_files"], False),
    "iterations": ({"train_cfg = dict(type=TrainLoop, max_epochs=max_epochs)": "train_cfg = dict(type=TrainLoop, max_iters=1000)"}, "", ["param_scheduler", "train_cfg.max_iters"], False),
    "another scheduler": ({}, "param_scheduler = dict(type='ConstantLR', factor=1.0)", ["param_scheduler"], False),
    "own template": ({"PROMPT_TEMPLATE.default": "dict(INSTRUCTION='<u>{input}', STOP_WORDS=['</s>'])"}, "", ["train_dataloader.dataset.template_map_fn.template", "custom_hooks.0.prompt_template"], False),
    "targets by expression": ({'bias="none"': 'bias="none", target_modules="all-linear"'}, "", ["model.lora.target_modules"], True),
    "DoRA": ({'bias="none"': 'bias="none", use_dora=True'}, "", ["model.lora.use_dora"], True),
    "one tokenizer alone": ({}, "train_dataloader['dataset']['tokenizer'] = dict(use_fast=False, **tokenizer)", ["train_dataloader.dataset.tokenizer.use_fast"], False),
    "scaler settings": ({'loss_scale="dynamic"': "loss_scale=dict(init_scale=512)"}, "", ["optim_wrapper.loss_scale"], True),
    "validation": ({}, "val_cfg = dict(type='ValLoop')", ["val_cfg"], False),
    "weights to start from": ({}, "load_from = 'a.pth'", ["load_from"], False),
    "curves": ({}, "visualizer = dict(type='Visualizer')", ["visualizer"], False),
    "type left to transformers": ({"torch_dtype=torch.float16,\n        quant": "torch_dtype='auto',\n        quant"}, "", ["model.llm.torch_dtype"], True),
    "samples at the ends alone": ({"evaluation_freq = 500": "evaluation_freq = None"}, "", ["custom_hooks"], False),
    "sampler not made for it": ({}, "sequence_parallel_size = 2", ["train_dataloader.sampler.type"], False),
}  # fmt: skip
"""Change -> texts replaced, lines added, the paths passed through, and whether ftcore's own training follows."""


@pytest.mark.parametrize("case", EDITS)
def test_unknown_is_passed_through(case, edited):
    """What no typed key says, and only that, is passed through; preflight tells what training would not follow."""
    changes, end, paths, follows = EDITS[case]
    imported = equal(edited(changes, end))
    assert sorted(
        {one.path.partition(".0")[0] if "scheduler" in one.path else one.path for one in imported.passthrough}
    ) == sorted(paths)
    told = list(followed(imported.experiment))
    assert bool(told) is not follows
    assert all(problem.key == "passthrough" for problem in told)


KNOWN = {
    "one file": ({ROWS: "dataset=dict(type=load_dataset, path='json', data_files='数据/甲 乙.json')"}, "", {"data.path": "数据/甲 乙.json"}),
    "a list of one": ({ROWS: "dataset=dict(type=load_dataset, path='json', data_files=['数据.json'])"}, "", {"data.path": "数据.json"}),
    "a split of files": ({ROWS: "dataset=dict(type=load_dataset, path='json', data_files=dict(train='数据.json'))"}, "", {"data.path": "数据.json"}),
    "rows": ({"remove_unused_columns=True,": "remove_unused_columns=True, max_dataset_length=100,"}, "", {"data.max_rows": 100}),
    "no clipping": ({CLIP: "clip_grad=None"}, "", {"optim.max_grad_norm": 0}),
    "constant rate": ({}, "param_scheduler = []", {"optim.schedule": "constant", "optim.warmup_ratio": 0}),
    "no schedule": ({}, "param_scheduler = None", {"optim.schedule": "constant", "optim.warmup_ratio": 0}),
    "half epochs": ({"max_epochs = 3": "max_epochs = 2.5"}, "", {"epochs": 2.5}),
    "8 bit": ({"load_in_4bit=True": "load_in_4bit=False", "load_in_8bit=False": "load_in_8bit=True"}, "", {"lora.quantization.bits": 8}),
    "targets": ({'bias="none"': 'bias="none", target_modules=("a", "b")'}, "", {"lora.targets": ["a", "b"]}),
    "betas": ({"betas = (0.9, 0.999)": "betas = [0.9, 0.95]"}, "", {"optim.betas": [0.9, 0.95]}),
    "one question": ({INPUTS: "'甲 ${lr} {x}'"}, "", {"chat_samples.inputs": ["甲 ${lr} {x}"]}),
    "long": ({"max_length = 2048": "max_length = 65536"}, "", {"max_length": 65536}),
    "names in the system text": ({SYSTEM: "SYSTEM = '{lr} of \"{max_length}\" \\\\${lr} {{x}}'"}, "", {"chat_samples.system": '0.0002 of "2048" \\$0.0002 {x}'}),
    "braces in the system text": ({SYSTEM: "SYSTEM = '{no_such_name} {'"}, "", {"chat_samples.system": "{no_such_name} {"}),
    "bit-identical": ({"deterministic=False": "deterministic=True"}, "", {"deterministic": True}),
    "no timer, no log processor": ({"timer=dict(type=IterTimerHook),": "", "log_processor = dict(by_epoch=False)": ""}, "", {}),
    "its own seed": ({"seed=None": "seed=7"}, "", {}),
    "no hooks": ({}, "custom_hooks = None", {}),
    "no samples": ({}, "custom_hooks = custom_hooks[:1]", {}),
}  # fmt: skip
"""Change -> texts replaced, lines added, and what the preset says of it."""


@pytest.mark.parametrize("case", KNOWN)
def test_known_is_typed(case, edited):
    """What has a typed key is said by it, and nothing is passed through."""
    changes, end, overrides = KNOWN[case]
    imported = equal(edited(changes, end))
    assert imported.passthrough == () and not list(followed(imported.experiment))
    assert overrides.items() <= imported.preset.overrides.items()


REFUSED = {
    "no model path": ({"pretrained_model_name_or_path=pretrained_model_name_or_path,\n        trust_remote_code=True,\n        torch": "torch"}, "", "model.path"),
    "short": ({"max_length = 2048": "max_length = 4"}, "", "max_length: should be greater"),
    "own rows": ({"dataset_map_fn=alpaca_map_fn": "dataset_map_fn='my.own_map_fn'"}, "", "data.format: 'my.own_map_fn' is not allowed"),
    "text for a number": ({}, "sequence_parallel_size = '2'", "parallelism.sequence_parallel: should be a valid integer; got '2'"),
    "odd world": ({}, "sequence_parallel_size = 3", "parallelism.sequence_parallel: 3 does not divide"),
    "no data": ({"dataset=alpaca_en,": "dataset=None,"}, "", "data.path"),
    "nothing to ask": ({INPUTS: "[]"}, "", "chat_samples.inputs"),
    "number for a key": ({"torch_dtype=torch.float16,\n        quant": "max_memory={0: '20GB'},\n        torch_dtype=torch.float16,\n        quant"}, "", "model.llm.max_memory: has the key 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case, edited):
    """What no experiment can be is refused under its key and the file's name."""
    changes, end, told = REFUSED[case]
    with pytest.raises(RequestError) as caught:
        convert(edited(changes, end), "mine")
    assert any(str(problem).startswith(f"my.py: {told}") for problem in caught.value.problems), str(
        caught.value
    )


def test_odd_texts_as_written(edited, tmp_path):
    """Quotes, braces, `${`, Chinese and line ends in texts and paths survive the written preset."""
    texts = ["${lr} \\${lr} \\", "{{ fileBasename }} {x}", "'甲' \"乙\"\n- c: d # e", "1e-4", "null", " "]
    changes = {INPUTS: repr(texts), MODEL: repr("/m/${lr} {a}'\""), SYSTEM: f"SYSTEM = {texts[2]!r}"}
    imported = equal_as_written(edited(changes, f"work_dir = {texts[0]!r}"), tmp_path / "to")
    assert list(imported.experiment.chat_samples.inputs) == texts
    assert imported.experiment.model.path == "/m/${lr} {a}'\""
    assert imported.experiment.passthrough.set == {"work_dir": texts[0]}


@pytest.mark.parametrize("path", ["/models/我的 模型", "./mine/", "someone/a-model.v2", "/a/${lr}/{b}"])
def test_model_of_ones_own(path, edited, tmp_path):
    """A path that no group has is model=custom with the path and template, under a name fit for a folder."""
    imported = equal_as_written(edited({MODEL: repr(path)}), tmp_path / "to")
    assert imported.preset.groups["model"] == "custom"
    assert imported.preset.overrides["model.path"] == imported.experiment.model.path == path
    assert imported.preset.overrides["model.template"] == "default"
    assert imported.passthrough == ()


def test_sequence_over_two_nodes(edited):
    """A sequence over 16 devices asks for two nodes of eight; one over four for none."""
    sampler = "from xtuner.parallel.sequence import SequenceParallelSampler as S\ntrain_dataloader['sampler']['type'] = S\n"
    wide = equal(edited({}, f"{sampler}sequence_parallel_size = 16\naccumulative = 1"))
    assert (wide.preset.overrides["nodes"], wide.experiment.world_size) == (2, 16)
    assert wide.experiment.optim.gradient_accumulation == 1
    few = equal(edited({}, f"{sampler}sequence_parallel_size = 4"))
    assert "nodes" not in few.preset.overrides and few.experiment.optim.gradient_accumulation == 4
    assert wide.passthrough == few.passthrough == ()


@pytest.mark.parametrize("zero", ["1", "2", "2_offload", "3", "3_offload"])
def test_deepspeed(zero, edited):
    """What was given to --deepspeed is the parallelism, and full weights keep the type the file loads them in."""
    file = edited({}, "custom_hooks = custom_hooks[:1]", of="internlm_7b_full_alpaca_e3")
    imported = equal(file, f"deepspeed_zero{zero}")
    assert imported.preset.groups["parallelism"] == f"zero{zero}"
    assert imported.experiment.zero_stage == int(zero[0])
    assert imported.preset.overrides["precision.weights"] == "fp32" and imported.passthrough == ()


def test_chat_samples_under_zero3(edited):
    """They are left out there, on purpose, and nothing is passed through for it; another hook still is."""
    imported = convert(edited({}, "", of="internlm_7b_full_alpaca_e3"), "mine", "deepspeed_zero3")
    assert imported.passthrough == () and imported.experiment.chat_samples.every == 500
    own = edited({}, "custom_hooks += [dict(type='mine.Hook')]", of="internlm_7b_full_alpaca_e3")
    assert [one.path for one in convert(own, "mine", "deepspeed_zero3").passthrough] == ["custom_hooks"]


def test_deepspeed_on_quantised_weights(shipped):
    """ZeRO-3 on 4-bit weights is refused, as ever."""
    with pytest.raises(RequestError, match="quantised weights cannot be sharded by ZeRO-3"):
        convert(shipped["internlm_7b_qlora_alpaca_e3"], "mine", "deepspeed_zero3")


OWN = [
    ["experiment=quickstart", "hardware=cuda"],
    ["experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6", "data.path=/x"],
    ["model=qwen3_8b", "data=alpaca", "data.path=a b.json", "lora=full", "parallelism=zero2", "max_steps=100", "hardware=cuda"],
    ["model=qwen2_5_7b_instruct", "data=openai_jsonl", "data.path=对话.jsonl", "lora=qlora", "hardware=cuda", "optim.schedule=linear", "optim.min_lr_ratio=0.1"],
    ["model=internlm2_5_7b_chat", "data=alpaca_enzh_oasst1", "parallelism=zero3", "precision=bf16", "hardware=cuda", "optim.schedule=constant", "checkpoint.every=null"],
    ["model=llama3_8b_instruct", "data=pretrain_text", "data.path=texts", "hardware=cuda", "epochs=0.5", "optim.warmup_ratio=0", "optim.max_grad_norm=0"],
    ["model=qwen1_5_7b_chat", "data=moss_all", "data.packing=false", "lora.targets=null", "hardware=cuda", "chat_samples.every=9", "chat_samples.inputs=['甲 {b} ${lr}']", "chat_samples.system='{c} {{d}}'", "chat_samples.stop_words=[x]"],
    ["model=llama2_7b", "data=intern_tokens", "data.path=/t", "hardware=cuda", "parallelism=zero1", "parallelism.sequence_parallel=4", "model.attention=flash_attention_2", "optim.gradient_accumulation=4", "lora=full", "data.varlen=true", "precision=bf16"],
    ["model=custom", "model.path=/m/我", "model.template=vicuna", "data=custom", "data.format=tokens", "data.path=/t", "hardware=cuda", "precision=fp32", "logging.window=1", "optim.eps=1e-6"],
]  # fmt: skip


@pytest.mark.parametrize("words", OWN, ids=lambda words: " ".join(words)[:40])
def test_own_experiments_come_back(words, tmp_path):
    """The configuration of an experiment, written and imported, is the same configuration again."""
    built = build(compose(words).experiment)
    file = tmp_path / "own.py"
    file.write_text(render(built), encoding="utf-8")
    assert differences(read(file).settings, built) == []
    imported = convert(file, "own", "deepspeed_zero2" if "parallelism=zero2" in words else None)
    write(imported, tmp_path / "to", replace=False)
    again = build(compose(["experiment=own", *MACHINE], config_dir=str(tmp_path / "to")).experiment)
    assert differences(built, again) == []


def nodes(value, path=()):
    """Every path in a configuration, of parts and of values."""
    yield path
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list | tuple)
        else ()
    )
    for name, one in inner:
        yield from nodes(one, (*path, name))


def put(value, path, new):
    """A copy of `value` with `new` at `path`."""
    if not path:
        return new
    result = copy.copy(value) if isinstance(value, dict) else list(value)
    result[path[0]] = put(value[path[0]], path[1:], new)
    return result


@pytest.mark.parametrize(
    "stem", ["internlm_7b_qlora_alpaca_e3", "qwen_7b_qlora_moss_sft_all_e1", "mistral_7b_w_tokenized_dataset"]
)
def test_any_value_anywhere(stem, shipped, monkeypatch):
    """Whatever stands in place of a setting or a whole part, the file is equal or refused; it never raises."""
    config = read(shipped[stem]).settings
    places = [path for path in nodes(config) if path and path[0] in READ_BY_XTUNER]
    draw = random.Random(stem)
    outcomes = {True: 0, False: 0}
    for path in draw.sample(places, 40):
        odd = draw.choice([None, 0, -1, True, 1.5, "x", [], {}, [1], {"type": "x"}, [{"type": "x"}]])
        changed = put(config, path, odd)
        monkeypatch.setattr(module, "read", lambda _file, made=changed: XTunerFile(made, {}))
        try:
            imported = convert(shipped[stem], "mine")
        except RequestError as error:
            assert error.problems
            outcomes[False] += 1
        else:
            assert compared(imported.settings, imported.experiment) == [], (path, odd)
            outcomes[True] += 1
    assert min(outcomes.values()) > 1
