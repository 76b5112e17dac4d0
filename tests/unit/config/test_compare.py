"""Two XTuner configurations: equal in meaning where a rule says so, different in any setting otherwise."""

# ruff: noqa: E501 (a case a line)

from copy import deepcopy

import pytest

from ftcore.config.xtuner.compare import LOG_ONLY, RULES, differences
from ftcore.config.xtuner.system_texts import SYSTEM_TEXTS

CHAT = {"type": "xtuner.engine.hooks.EvaluateChatHook", "evaluation_inputs": ["hi"]}
SAMPLER = "train_dataloader.sampler"
ROWS = "train_dataloader.dataset.dataset"
ADAMW = {"type": "torch.optim.AdamW", "lr": 1}
LOCAL = {"type": "datasets.load_dataset", "path": "json"}
SEQUENCE = "xtuner.parallel.sequence.SequenceParallelSampler"
DEFAULT = "mmengine.dataset.DefaultSampler"
INTERN = "xtuner.dataset.samplers.InternRepoSampler"


def config(**values):
    """A configuration of `values`, `a__b` for `a.b`; equal ones are another object each time."""
    made: dict = {}
    for path, value in values.items():
        *parents, last = path.split("__")
        node = made
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = deepcopy(value)
    return made


def loader(**values):
    return config(**{f"train_dataloader__{path}": value for path, value in values.items()})


def hooks(*given, **others):
    return config(custom_hooks=list(given), **others)


def chat(**values):
    return CHAT | values


EQUAL = {
    "own names": [
        (config(lr=1, batch_size=2, tokenizer={"type": "x"}), config()),
        (config(dataset=1, model__llm=2), config(model__llm=2, dataset=3)),
    ],
    "default": [
        (config(), config(resume=False, load_from=None, log_level="INFO", sequence_parallel_size=1)),
        (config(optim_wrapper__optimizer=ADAMW), config(optim_wrapper__optimizer=ADAMW | {"eps": 1e-8})),
        (config(model__llm={"type": "transformers.AutoModelForCausalLM.from_pretrained"}),
         config(model__llm={"type": "transformers.AutoModelForCausalLM.from_pretrained", "torch_dtype": "torch.float32"})),
        (config(default_hooks__timer={"type": "mmengine.hooks.IterTimerHook"}), config()),
        (config(default_hooks__checkpoint={"type": "CheckpointHook", "interval": 1}), config()),
        (config(randomness={"seed": None}), config()),
        (hooks(CHAT), hooks(chat(max_new_tokens=600, system=""))),
    ],
    "spelling": [
        (config(optim_wrapper__optimizer=ADAMW | {"betas": (0.9, 0.999), "lr": 1.0}), config(optim_wrapper__optimizer=ADAMW | {"betas": [0.9, 0.999]})),
        (config(optim_wrapper={"type": "AmpOptimWrapper"}), config(optim_wrapper={"type": "mmengine.optim.AmpOptimWrapper"})),
        (hooks({"type": "xtuner.engine.Mine"}), hooks({"type": "xtuner.engine.hooks.Mine"})),
        (config(param_scheduler={"type": "LinearLR"}), config(param_scheduler=[{"type": "mmengine.optim.scheduler.LinearLR"}])),
        (config(param_scheduler=None), config(param_scheduler=[])),
        (hooks(chat(evaluation_inputs="hi")), hooks(CHAT)),
    ],
    "seed": [(config(randomness__seed=None), config(randomness__seed=42))],
    "log only": [
        (hooks(*({"type": kind, "tokenizer": 1} for kind in LOG_ONLY)), hooks()),
        (config(log_processor__by_epoch=True), config(log_processor__by_epoch=False)),
    ],
    "files": [
        (loader(dataset__dataset=LOCAL | {"data_files": "a.json"}), loader(dataset__dataset=LOCAL | {"data_files": ["a.json"]})),
        (loader(dataset__dataset=LOCAL | {"data_files": {"train": "a.json"}}), loader(dataset__dataset=LOCAL | {"data_files": ("a.json",)})),
    ],
    "sampler": [(loader(sampler={"type": SEQUENCE, "shuffle": True}), loader(sampler={"type": DEFAULT}))],
    "sampler seed": [
        (loader(sampler={"type": INTERN, "seed": 7}), loader(sampler={"type": INTERN, "seed": 1024})),
        (loader(sampler={"type": DEFAULT, "seed": 7}), loader(sampler={"type": "DefaultSampler"})),
    ],
    "attention": [
        (config(sequence_parallel_size=2, model__llm__attn_implementation=None), config(sequence_parallel_size=2, model__llm__attn_implementation="flash_attention_2")),
    ],
    "system text": [
        (hooks(chat(system="xtuner.utils.SYSTEM_TEMPLATE.sql")), hooks(chat(system=SYSTEM_TEXTS["sql"]))),
        (hooks(chat(system="I am {bot_name}"), bot_name="Bo"), hooks(chat(system="I am Bo"))),
        (hooks(chat(system="a {{x}}")), hooks(chat(system="a {x}"))),
        (hooks(chat(system="")), hooks(chat(system=None))),
    ],
}  # fmt: skip
"""Rule -> configurations that it makes equal."""

DIFFERENT = {
    "own names": [(config(work_dir="a"), config(), "work_dir"), (config(val_cfg=1), config(), "val_cfg")],
    "default": [
        (config(resume=True), config(), "resume"),
        (config(model__lora={"type": "peft.LoraConfig", "r": 16}), config(model__lora={"type": "peft.LoraConfig"}), "model.lora.r"),
        (config(model__llm={"type": "my.Model.from_pretrained"}), config(model__llm={"type": "my.Model.from_pretrained", "torch_dtype": "torch.float32"}), "model.llm.torch_dtype"),
        (config(default_hooks__timer=None), config(), "default_hooks.timer"),
        (config(default_hooks__checkpoint={"type": "CheckpointHook"}), config(), "default_hooks.checkpoint.interval"),
        (config(train_dataloader__batch_size=1), config(train_dataloader={}), "train_dataloader.batch_size"),
    ],
    "spelling": [
        (config(optim_wrapper__x=(1, 2)), config(optim_wrapper__x=[2, 1]), "optim_wrapper.x.0"),
        (config(optim_wrapper__x=1.5), config(optim_wrapper__x=1), "optim_wrapper.x"),
        (config(resume=True), config(resume=1), "resume"),
        (config(resume=0), config(), "resume"),
        (config(model__x="1"), config(model__x=1), "model.x"),
        (config(optim_wrapper={"type": "torch.AdamW"}), config(optim_wrapper={"type": "AdamW"}), "optim_wrapper.type"),
        (config(param_scheduler=[{"type": "LinearLR"}] * 2), config(param_scheduler={"type": "LinearLR"}), "param_scheduler"),
        (hooks(chat(evaluation_inputs=["hi", "ho"])), hooks(CHAT), "custom_hooks.0.evaluation_inputs"),
    ],
    "seed": [
        (config(randomness__deterministic=True), config(), "randomness.deterministic"),
        (config(randomness={"seed": 1, "diff_rank_seed": True}), config(randomness={"seed": 2}), "randomness.diff_rank_seed"),
    ],
    "log only": [
        (hooks({"type": "xtuner.engine.hooks.VarlenAttnArgsToMessageHubHook"}), hooks(), "custom_hooks"),
        (hooks({"type": LOG_ONLY[0] + "x"}), hooks(), "custom_hooks"),
        (hooks("xtuner.engine.hooks.ThroughputHook"), hooks(), "custom_hooks"),
        (config(log_processor__window_size=1), config(), "log_processor.window_size"),
        (config(log_processor__window_size=1), config(log_processor__window_size=2), "log_processor.window_size"),
    ],
    "files": [
        (loader(dataset__dataset=LOCAL | {"data_files": ["a", "b"]}), loader(dataset__dataset=LOCAL | {"data_files": ["a"]}), f"{ROWS}.data_files"),
        (loader(dataset__dataset=LOCAL | {"data_files": {"test": "a"}}), loader(dataset__dataset=LOCAL | {"data_files": "a"}), f"{ROWS}.data_files"),
        (loader(dataset__dataset=LOCAL | {"data_files": {"train": "a", "test": "b"}}), loader(dataset__dataset=LOCAL | {"data_files": "a"}), f"{ROWS}.data_files"),
        (loader(dataset__dataset=LOCAL | {"path": "hub/id", "data_files": ["a"]}), loader(dataset__dataset=LOCAL | {"path": "hub/id", "data_files": "a"}), f"{ROWS}.data_files"),
    ],
    "sampler": [
        (config(sequence_parallel_size=2, train_dataloader__sampler__type=SEQUENCE), config(sequence_parallel_size=2, train_dataloader__sampler__type=DEFAULT), f"{SAMPLER}.type"),
        (loader(sampler__type=INTERN), loader(sampler__type=DEFAULT), f"{SAMPLER}.type"),
        (loader(sampler={"type": SEQUENCE, "shuffle": False}), loader(sampler__type=DEFAULT), f"{SAMPLER}.shuffle"),
    ],
    "sampler seed": [
        (loader(sampler={"type": "my.Sampler", "seed": 1}), loader(sampler={"type": "my.Sampler", "seed": 2}), f"{SAMPLER}.seed"),
        (loader(dataset={"type": "xtuner.dataset.intern_repo.build_packed_dataset", "seed": 1}), loader(dataset={"type": "xtuner.dataset.intern_repo.build_packed_dataset"}), "train_dataloader.dataset.seed"),
    ],
    "attention": [
        (config(model__llm__attn_implementation=None), config(model__llm__attn_implementation="flash_attention_2"), "model.llm.attn_implementation"),
        (config(sequence_parallel_size=2, model__llm__attn_implementation="sdpa"), config(sequence_parallel_size=2, model__llm={}), "model.llm.attn_implementation"),
    ],
    "system text": [
        (hooks(chat(system="xtuner.utils.SYSTEM_TEMPLATE.sql")), hooks(chat(system=SYSTEM_TEXTS["coder"])), "custom_hooks.0.system"),
        (hooks(chat(system="I am {bot_name}"), bot_name="Bo"), hooks(chat(system="I am {bot_name}"), bot_name="Cy"), "custom_hooks.0.system"),
        (hooks(chat(system="a ")), hooks(chat(system="a")), "custom_hooks.0.system"),
        (hooks({"type": "my.Hook", "system": "{{"}), hooks({"type": "my.Hook", "system": "{"}), "custom_hooks.0.system"),
    ],
}  # fmt: skip
"""Rule -> configurations just beyond it, and the path of what differs."""


def cases(table):
    return [
        pytest.param(*pair, id=f"{rule} {i}") for rule, pairs in table.items() for i, pair in enumerate(pairs)
    ]


def test_every_rule_has_both():
    """No rule is listed without an example of what it allows and of what it does not."""
    names = [rule.name for rule in RULES]
    assert names == list(EQUAL) == list(DIFFERENT)
    assert len({rule.reason for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(("first", "second"), cases(EQUAL))
def test_equal_in_meaning(first, second):
    """Two ways of writing one thing do not differ, from either side, and are left as they were."""
    before = deepcopy((first, second))
    assert differences(first, second) == differences(second, first) == []
    assert (first, second) == before


@pytest.mark.parametrize(("first", "second", "path"), cases(DIFFERENT))
def test_just_beyond_a_rule(first, second, path):
    """What resembles a rule's case and is none differs, by its path, from either side."""
    assert path in {one.path for one in differences(first, second)}
    assert path in {one.path for one in differences(second, first)}
