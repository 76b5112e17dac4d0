"""The group `kernels`: what its choices are on each machine, which orders are refused, and that old runs are
as they were."""

import pytest
import yaml

from ftcore.config.compose import compose, load, to_yaml
from ftcore.config.errors import RequestError
from ftcore.config.groups import conf_dir
from ftcore.config.identity import config_hash
from ftcore.config.kernels import AGAINST, obstacles, possible
from ftcore.config.schema import Kernels
from ftcore.config.upgrade import CAME_SINCE, upgraded
from ftcore.config.xtuner import build

STOCK = {
    "layers": "stock", "loss": "stock", "attention": "stock", "frozen_weights": "native",
    "optimizer": "stock", "recompute_layers": None,
}  # fmt: skip
FAST = {
    "layers": "fused", "loss": "fused", "attention": "rows", "frozen_weights": "native",
    "optimizer": "fused", "recompute_layers": "auto",
}  # fmt: skip
AUTO = FAST | {"layers": "auto", "loss": "auto", "attention": "auto"}
H100 = ["hardware=cuda", "hardware.arch=sm_90", "hardware.devices_per_node=2", "precision=bf16"]
SPREAD = ["parallelism.sequence_parallel=2", "model.attention=flash_attention_2"]


def kernels(*words: str) -> dict[str, object]:
    return compose([*words]).experiment.kernels.model_dump()


def refused(*words: str) -> dict[str, list[str]]:
    """Key -> what is said of it."""
    with pytest.raises(RequestError) as caught:
        compose([*words])
    found: dict[str, list[str]] = {}
    for problem in caught.value.problems:
        found.setdefault(problem.key, []).append(str(problem))
    return found


@pytest.mark.parametrize(("hardware", "expected"), [("cuda", AUTO), ("dcu", STOCK), ("cpu", STOCK)])
def test_auto_by_hardware(hardware, expected):
    """The default leaves the parts to ftcore on CUDA, and is stock elsewhere."""
    assert kernels(f"hardware={hardware}") == kernels(f"hardware={hardware}", "kernels=auto") == expected


@pytest.mark.parametrize("hardware", ["cuda", "dcu", "cpu"])
def test_choices_that_no_hardware_changes(hardware):
    """stock and fast say the same on every machine."""
    assert kernels("kernels=stock", f"hardware={hardware}") == STOCK
    assert kernels("kernels=fast", f"hardware={hardware}") == FAST


def test_fast_fp8():
    """fast_fp8 is fast with frozen weights in fp8."""
    assert kernels("kernels=fast_fp8", *H100) == FAST | {"frozen_weights": "fp8"}


@pytest.mark.parametrize("value", ["auto", "null", "0", "7"])
def test_layers_to_recompute(value):
    """auto, null, and any number from 0."""
    given = kernels("kernels=fast", f"kernels.recompute_layers={value}")["recompute_layers"]
    assert given == {"auto": "auto", "null": None}.get(value, value if not value.isdigit() else int(value))


VALUES = {
    "kernels.layers=rows": "allowed: auto, stock or fused",
    "kernels.loss=fuse": "did you mean fused?",
    "kernels.attention=fused": "allowed: auto, stock or rows",
    "kernels.frozen_weights=fp16": "allowed: native or fp8",
    "kernels.optimizer=auto": "allowed: stock or fused",
    "kernels.recompute_layers=some": "allowed: auto, a number",
    "kernels.recompute_layers=-1": "allowed: auto, a number",
    "kernels.recompute_layers=1.5": "allowed: auto, a number",
    "kernels.recompute_layers=true": "allowed: auto, a number",
    "kernels.layer=fused": "no such key; did you mean kernels.layers?",
    "kernels=faster": "no choice named 'faster'; allowed: auto, fast, fast_fp8, stock",
}


@pytest.mark.parametrize("word", VALUES)
def test_wrong_value(word):
    """A value that a field does not take is told with those it takes."""
    told = refused(word)
    assert list(told) == [word.partition("=")[0]]
    assert VALUES[word] in told[word.partition("=")[0]][0]


ORDERS = {
    "fused layers under ZeRO-3": (["kernels.layers=fused", "parallelism=zero3"], "layers", "ZeRO-3"),
    "fused layers with qlora": (["kernels.layers=fused", "lora=qlora"], "layers", "lora.method is qlora"),
    "fused layers, all trained": (["kernels.layers=fused", "lora=full"], "layers", "lora.method is full"),
    "fused layers with biases": (["kernels.layers=fused", "lora.bias=all"], "layers", "lora.bias is all"),
    "fused loss under ZeRO-3": (["kernels.loss=fused", "parallelism=zero3"], "loss", "ZeRO-3"),
    "fused loss, spread": (
        ["kernels.loss=fused", "kernels.attention=stock", *SPREAD], "loss", "kernels.attention is not that",
    ),
    "fused layers on stock attention": (
        ["kernels.layers=fused", "kernels.attention=stock"], "layers", "kernels.attention is stock",
    ),
    "rows in fp32": (["kernels.attention=rows", "precision=fp32"], "attention", "precision.dtype is fp32"),
    "rows in fp32 on a DCU": (
        ["kernels.attention=rows", "hardware=dcu", "precision=fp32"], "attention", "precision.dtype is fp32",
    ),
    "fp8 on an A100": (["kernels.frozen_weights=fp8", "hardware.arch=sm_80"], "frozen_weights", "sm_80 has"),
    "fp8 on a DCU": (
        ["kernels.frozen_weights=fp8", "kernels.layers=auto", "hardware=dcu", "hardware.arch=gfx936"],
        "frozen_weights", "dcu has no fp8",
    ),
    "fp8 on a CPU": (
        ["kernels.frozen_weights=fp8", "kernels.layers=auto", "hardware=cpu"], "frozen_weights",
        "cpu has no fp8",
    ),
    "fp8 in fp16": (
        ["kernels.frozen_weights=fp8", "precision=fp16"], "frozen_weights", "precision.dtype is fp16",
    ),
    "fp8 with qlora": (
        ["kernels.frozen_weights=fp8", "lora=qlora"], "frozen_weights", "lora.method is qlora",
    ),
    "fp8 of what is trained": (
        ["kernels.frozen_weights=fp8", "lora=full"], "frozen_weights", "lora.method is full",
    ),
    "fp8 in stock layers": (["kernels=stock", "kernels.frozen_weights=fp8"], "frozen_weights", "is stock"),
    "fp8 where auto cannot be fused": (
        ["kernels.frozen_weights=fp8", "parallelism=zero3"], "frozen_weights", "ZeRO-3",
    ),
    "some stock layers computed again": (
        ["kernels=stock", "kernels.recompute_layers=3"], "recompute_layers", "activation_checkpointing",
    ),
    "no stock layer computed again": (
        ["kernels=stock", "kernels.recompute_layers=0"], "recompute_layers", "activation_checkpointing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ORDERS)
def test_order_that_cannot_be(case):
    """An order is refused under its own key, and no other, with the reason and what is allowed."""
    words, part, expected = ORDERS[case]
    told = refused(*H100, *words)
    assert list(told) == [f"kernels.{part}"]
    assert [line for line in told[f"kernels.{part}"] if expected in line and "; allowed: " in line], told


def test_every_order_at_once():
    """All that is wrong with a choice is told at once."""
    told = refused(*H100, "kernels=fast_fp8", "hardware.arch=sm_80", "precision=fp32", "parallelism=zero3")
    assert list(told) == ["kernels.layers", "kernels.loss", "kernels.attention", "kernels.frozen_weights"]
    assert len(told["kernels.frozen_weights"]) == 3


ORDERED = {
    "rows in fp16": ["kernels.attention=rows", "precision=fp16"],
    "rows on a DCU": ["kernels.attention=rows", "hardware=dcu", "precision=fp16"],
    "rows in fp32 on a CPU": ["kernels.attention=rows", "hardware=cpu", "precision=fp32"],
    "fused layers in fp32": ["kernels.layers=fused", "precision=fp32"],
    "fused layers under ZeRO-2": ["kernels.layers=fused", "parallelism=zero2"],
    "fused loss of a full training": ["kernels.loss=fused", "lora=full"],
    "fp8 where the card is unknown": ["kernels=fast_fp8", "hardware.arch=null"],
    "fp8 on a 4090": ["kernels=fast_fp8", "hardware.arch=sm_89"],
    "fp8 where auto can be fused": ["kernels.frozen_weights=fp8"],
    "some fused layers computed again": ["kernels=fast", "kernels.recompute_layers=3"],
    "some layers computed again": ["kernels=auto", "kernels.recompute_layers=3"],
    "auto on stock layers": ["kernels=stock", "kernels.recompute_layers=auto"],
}


@pytest.mark.parametrize("case", ORDERED)
def test_order_that_can_be(case):
    """What nothing stands against is taken as it stands."""
    compose([*H100, *ORDERED[case]])


SET_UPS = [
    ["parallelism=zero3"], ["parallelism=zero2"], ["lora=qlora"], ["lora=full"], ["lora.bias=all"], SPREAD,
    ["precision=fp32"], ["precision=fp16"], ["hardware.arch=sm_70", "precision=fp16"],
    ["model.attention=eager"], ["data.packing=false"],
]  # fmt: skip


@pytest.mark.parametrize("words", SET_UPS, ids=" ".join)
def test_auto_is_never_a_problem(words):
    """What is left to ftcore is stock where it has to be, and refused nowhere."""
    assert kernels(*H100, *words) == AUTO


def test_possible():
    """A part is possible where it is ordered, or left to ftcore and nothing stands against it."""
    left = compose([*H100]).experiment
    assert [part for part in AGAINST if possible(left, part)] == ["layers", "loss", "attention"]
    assert not any(obstacles(left, part) for part in AGAINST)
    ordered = compose([*H100, "kernels=fast_fp8"]).experiment
    assert all(possible(ordered, part) for part in AGAINST)
    sharded = compose([*H100, "parallelism=zero3"]).experiment
    assert [part for part in AGAINST if possible(sharded, part)] == ["attention"]
    stock = compose([*H100, "kernels=stock"]).experiment
    assert not any(possible(stock, part) for part in AGAINST)


def test_every_choice_has_its_own_hash():
    """Other kernels make another experiment."""
    choices = ["auto", "stock", "fast", "fast_fp8"]
    hashes = {config_hash(compose([*H100, f"kernels={choice}"]).experiment) for choice in choices}
    hashes.add(config_hash(compose([*H100, "kernels=fast", "kernels.recompute_layers=3"]).experiment))
    assert len(hashes) == 5


def test_frozen_before_there_were_kernels(tmp_path):
    """A configuration without the section was run as `kernels=stock`, whatever its hardware."""
    e = compose([*H100, "kernels=stock"]).experiment
    old = yaml.safe_load(to_yaml(e))
    del old["kernels"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(old), encoding="utf-8")
    assert load(tmp_path / "config.yaml") == e
    written = yaml.safe_load((conf_dir() / "kernels" / "stock.yaml").read_text(encoding="utf-8"))
    assert Kernels(**CAME_SINCE["kernels"]) == Kernels(**written)


def test_frozen_since():
    """A configuration with the section keeps it."""
    config = yaml.safe_load(to_yaml(compose([*H100, "kernels=fast"]).experiment))
    assert upgraded(config)["kernels"] == FAST


@pytest.mark.parametrize("choice", ["auto", "fast", "fast_fp8"])
def test_xtuner_knows_none(choice):
    """The XTuner configuration is the same whatever the kernels."""
    stock = build(compose([*H100, "kernels=stock"]).experiment)
    assert build(compose([*H100, f"kernels={choice}"]).experiment) == stock
