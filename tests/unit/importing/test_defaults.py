"""The defaults that the comparison fills in are those of the real constructors."""

import inspect

import pytest

pytest.importorskip("torch")
pytest.importorskip("mmengine")

from ftcore import compat
from ftcore.config.xtuner.compare import AUTO_MODEL, DEFAULT_HOOKS, DEFAULTS, SHORT_NAMES, TOP_LEVEL, dotted

ELSEWHERE = {
    ("mmengine.optim.AmpOptimWrapper", "dtype"),  # None: torch's autocast decides, see its own test
    (AUTO_MODEL, "torch_dtype"),  # transformers 4 loads in fp32, 5 in the file's own; no signature says so
    ("transformers.BitsAndBytesConfig", "bnb_4bit_compute_dtype"),  # None: see its own test
    ("transformers.BitsAndBytesConfig", "bnb_4bit_quant_storage"),  # None: see its own test
    ("peft.LoraConfig", "bias"),
}
"""Defaults that no signature states."""

UNSIGNED = {
    AUTO_MODEL: "PreTrainedModel.from_pretrained takes these by **kwargs",
    "transformers.AutoTokenizer.from_pretrained": "reads trust_remote_code from **kwargs",
}
"""Constructors whose settings are not parameters of their own."""

HANDED_ON = {
    "xtuner.dataset.intern_repo.build_packed_dataset": (
        "xtuner.dataset.intern_repo.build_packed_dataset_rank0"
    ),
    "xtuner.dataset.process_ms_dataset": "xtuner.dataset.process_hf_dataset",
}
"""Functions that hand what they are given to another one."""

SIGNED = sorted(set(DEFAULTS) - set(UNSIGNED))


@pytest.fixture(scope="module")
def real():
    """Finds the object behind a dotted name, as XTuner would."""
    from mmengine.config.lazy import LazyObject  # noqa: F401  (mmengine's own import order)
    from mmengine.utils import get_object_from_string

    compat.apply()
    return get_object_from_string


def parameters(thing) -> dict[str, inspect.Parameter]:
    """Parameters of a function or class, with those that a class hands on to its parents by **kwargs."""
    if not inspect.isclass(thing):
        return dict(inspect.signature(thing).parameters)
    found: dict[str, inspect.Parameter] = {}
    for part in thing.__mro__:
        if "__init__" in vars(part) and part is not object:
            own = inspect.signature(part.__init__).parameters
            found = dict(own) | found
            if not any(one.kind is one.VAR_KEYWORD for one in own.values()):
                break
    return found


def plain(value):
    """A default as a configuration has it."""
    if isinstance(value, tuple):
        return list(value)
    return None if value is inspect.Parameter.empty else value


@pytest.mark.parametrize("name", SIGNED)
def test_defaults_are_the_constructors(name, real):
    """Each setting that is filled in is a parameter, and has this default."""
    signature = parameters(real(HANDED_ON.get(name, name)))
    for setting, default in DEFAULTS[name].items():
        if (name, setting) in ELSEWHERE:
            continue
        assert setting in signature, setting
        assert signature[setting].default is not inspect.Parameter.empty, setting
        assert plain(signature[setting].default) == default, setting


@pytest.mark.parametrize("name", SIGNED)
def test_no_default_of_a_needed_setting(name, real):
    """What a constructor insists on is filled in for nobody: its absence must be seen."""
    needed = {
        setting
        for setting, parameter in parameters(real(HANDED_ON.get(name, name))).items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
    assert not needed & set(DEFAULTS[name])


def test_lora_bias(real):
    """peft adapts no bias unless told to."""
    assert real("peft.LoraConfig")().bias == DEFAULTS["peft.LoraConfig"]["bias"]


def test_quantization(real):
    """bitsandbytes' settings that are None in the signature become these."""
    made = real("transformers.BitsAndBytesConfig")()
    for setting, default in DEFAULTS["transformers.BitsAndBytesConfig"].items():
        value = getattr(made, setting)
        assert (str(value) if setting.endswith(("dtype", "storage")) else value) == default, setting


def test_mixed_precision():
    """Where AmpOptimWrapper states no type, autocast on an accelerator computes in fp16."""
    import torch

    stated = DEFAULTS["mmengine.optim.AmpOptimWrapper"]["dtype"]
    assert torch.get_autocast_dtype("cuda") is getattr(torch, stated)


def test_model_loader(real):
    """What from_pretrained takes by keyword is popped with these defaults, and it still has these names."""
    import transformers

    text = inspect.getsource(transformers.PreTrainedModel.from_pretrained)
    text += inspect.getsource(real("transformers.AutoModelForCausalLM").from_pretrained.__func__)
    for setting in DEFAULTS[AUTO_MODEL]:
        assert f'"{setting}"' in text, setting


def test_default_hooks(real):
    """Where default_hooks says nothing, mmengine's runner registers these."""
    runner = real("mmengine.runner.Runner")

    class Registered(runner):
        def __init__(self):
            self.kept = []

        def register_hook(self, hook, priority=None):
            self.kept.append(hook)

    made = Registered()
    made.register_default_hooks(None)
    others = [hook for hook in made.kept if hook["type"] != "RuntimeInfoHook"]  # there whatever is said
    assert sorted(others, key=str) == sorted(DEFAULT_HOOKS.values(), key=str)
    made = Registered()
    made.register_default_hooks(dict.fromkeys(DEFAULT_HOOKS))
    assert [hook["type"] for hook in made.kept] == ["RuntimeInfoHook"]


def test_top_level(real):
    """Names that mmengine's runner would take as None or its own default are listed with that."""
    signature = inspect.signature(real("mmengine.runner.Runner")).parameters
    by_xtuner_alone = {"sequence_parallel_size", "use_varlen_attn"}
    for name in set(TOP_LEVEL) - by_xtuner_alone:
        assert signature[name].default == TOP_LEVEL[name], name


@pytest.mark.parametrize("short", SHORT_NAMES)
def test_short_names(short, real):
    """A short name is the object that mmengine's registries have under it."""
    from mmengine import registry

    registries = [getattr(registry, name) for name in registry.__all__ if name.isupper()]
    real("xtuner.engine.hooks.DatasetInfoHook"), real(dotted(short))
    found = {one.get(short) for one in registries if isinstance(one, registry.Registry)} - {None}
    assert found == {real(dotted(short))}
