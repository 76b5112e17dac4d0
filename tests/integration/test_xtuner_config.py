"""The XTuner configuration as mmengine and XTuner themselves read it."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("mmengine")

from ftcore import compat
from ftcore.config.compose import compose, experiment_of
from ftcore.config.groups import conf_dir
from ftcore.config.xtuner import build, render
from ftcore.importing.preset import composed

NEEDS = {
    "data=custom": ["data.format=openai", "data.path=rows.jsonl"],
    "model=custom": ["model.path=/models/mine", "model.template=qwen_chat"],
    "lora=qlora": ["hardware=cuda"],
    "precision=fp16": ["hardware=cuda"],
    "parallelism=zero1": ["hardware=cuda"],
    "parallelism=zero2": ["hardware=cuda"],
    "parallelism=zero2_offload": ["hardware=cuda"],
    "experiment=agentflan_llama3_8b": ["hardware=dcu"],
    "kernels=fast_fp8": ["hardware=cuda", "hardware.arch=sm_90"],
}
CHOICES = [
    f"{file.parent.name}={file.stem}"
    for file in sorted(conf_dir().glob("*/*.yaml"))
    if not file.stem.startswith("_") and file.parent.name != "search"
]
MANY = ("model", "data", "chat_samples")
"""The groups of most choices."""

BASE = {"model": "smollm2_135m_instruct", "data": "function_calls"}
SAMPLES = ["chat_samples.every=5", "chat_samples.inputs=[hello]"]
SEQUENCE_PARALLEL = ["hardware=cuda", "parallelism.sequence_parallel=2", "model.attention=flash_attention_2"]
DOTTED = ("type", "torch_dtype", "bnb_4bit_compute_dtype", "dataset_map_fn", "template", "prompt_template")
"""Keys whose values are names of Python objects."""


def names(node, key=""):
    """Every dotted name in a configuration."""
    if isinstance(node, dict):
        return {name for part, value in node.items() for name in names(value, part)}
    if isinstance(node, list):
        return {name for value in node for name in names(value)}
    return {node} if key in DOTTED and isinstance(node, str) else set()


@pytest.fixture(scope="module")
def found():
    """Dotted names of the configurations of every choice, with chat samples and sequence parallel too."""
    alone = [choice for choice in CHOICES if choice not in NEEDS and choice.split("=")[0] in MANY]
    # Hydra takes ten times as long, and tests/unit/importing/test_presets.py has it compose the same.
    experiments = [experiment_of(composed(BASE | dict([choice.split("=")]))) for choice in alone]
    requests = [[choice, *NEEDS.get(choice, [])] for choice in CHOICES if choice not in alone]
    experiments += [compose(request).experiment for request in (*requests, SAMPLES, SEQUENCE_PARALLEL)]
    return set().union(*(names(build(experiment)) for experiment in experiments))


def test_every_name_resolves(found):
    """mmengine finds the object behind every dotted name of every group choice."""
    from mmengine.config.lazy import LazyObject  # noqa: F401  (mmengine's own import order)
    from mmengine.utils import get_object_from_string

    compat.apply()
    assert len(found) > 30
    elsewhere = {name for name in found if name.startswith(("modelscope.", "openmind."))}
    assert elsewhere == {"modelscope.msdatasets.MsDataset.load"}  # packages that are nobody's dependency here
    missing = [name for name in sorted(found - elsewhere) if get_object_from_string(name) is None]
    assert missing == []


@pytest.mark.parametrize(
    "request_",
    [
        [],
        ["experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6"],
        [*SAMPLES, "chat_samples.system='{ {{ fileDirname }} {{$HOME:x}} \\${x} }'"],
        ["lora=qlora", "hardware=cuda"],
        ["model.path='a b/{{ fileBasename }}'", "model=qwen3_8b"],
    ],
)
def test_fromfile_is_build(tmp_path, request_):
    """mmengine reads the rendered file as the configuration that was built."""
    from mmengine.config import Config

    config = build(compose(request_).experiment)
    file = tmp_path / "xtuner_config.py"
    file.write_text(render(config, "header"), encoding="utf-8")
    assert Config.fromfile(str(file)).to_dict() == config
