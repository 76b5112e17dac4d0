"""Every choice of every config group makes a checked experiment."""

import pytest

from ftcore.config.compose import compose
from ftcore.config.errors import RequestError
from ftcore.config.groups import conf_dir
from ftcore.config.xtuner import build, render

NEEDS = {
    ("experiment", "agentflan_llama3_8b"): ["hardware=dcu"],
    ("lora", "qlora"): ["hardware=cuda"],
    ("precision", "fp16"): ["hardware=cuda"],
    ("kernels", "fast_fp8"): ["hardware=cuda", "hardware.arch=sm_90"],
    ("parallelism", "zero1"): ["hardware=cuda"],
    ("parallelism", "zero2"): ["hardware=cuda"],
    ("parallelism", "zero2_offload"): ["hardware=cuda"],
    ("parallelism", "single"): ["hardware=cpu"],
    ("data", "custom"): ["data.format=openai", "data.path=x"],
    ("model", "custom"): ["model.path=/models/mine", "model.template=qwen_chat"],
}
"""What a choice cannot do without; all others compose alone."""

CHOICES = sorted(
    (file.parent.name, file.stem)
    for file in conf_dir().glob("*/*.yaml")
    # A search is about a sweep and no part of an experiment.
    if not file.stem.startswith("_") and file.parent.name != "search"
)
EXPECTED_DTYPE = {"cpu": "fp32", "cuda": "bf16", "dcu": "fp16"}


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_choice_composes_and_renders(group, choice):
    """Each choice gives an experiment that records it, and a config whose text is Python."""
    composed = compose([f"{group}={choice}", *NEEDS.get((group, choice), [])])
    assert composed.choices[group] in (choice, "cpu", "cuda", "dcu")  # hardware=auto is what is there
    compile(render(build(composed.experiment)), "xtuner_config.py", "exec")


@pytest.mark.parametrize("needs", sorted(NEEDS))
def test_needs_are_real(needs):
    """A choice listed as needing something is refused without it, on other hardware, naming its group."""
    group, choice = needs
    named = "precision" if group == "experiment" else group
    elsewhere = "hardware=cuda" if choice == "single" else "hardware=cpu"
    with pytest.raises(RequestError, match=named):
        compose([f"{group}={choice}", elsewhere, "hardware.devices_per_node=2"])


@pytest.mark.parametrize("hardware", sorted(EXPECTED_DTYPE))
def test_precision_auto_by_hardware(hardware):
    """precision=auto states the type that each kind of hardware computes in."""
    experiment = compose([f"hardware={hardware}", "precision=auto"]).experiment
    assert experiment.precision.dtype == EXPECTED_DTYPE[hardware]
    assert experiment.hardware.accelerator == hardware


@pytest.mark.parametrize(
    ("arch", "dtype"),
    [("gfx906", "fp16"), ("gfx926", "fp16"), ("gfx928", "bf16"), ("gfx936", "bf16"), ("null", "fp16")],
)
def test_precision_auto_by_dcu(arch, dtype):
    """bf16 is taken only where the DCU's architecture is known to have it."""
    experiment = compose(["hardware=dcu", f"hardware.arch={arch}"]).experiment
    assert experiment.precision.dtype == dtype


@pytest.mark.parametrize(("devices", "strategy"), [(1, "single"), (2, "ddp")])
def test_parallelism_auto(devices, strategy):
    """parallelism=auto is one process for one device and replicas for more."""
    experiment = compose(["parallelism=auto", f"hardware.devices_per_node={devices}"]).experiment
    assert experiment.parallelism.strategy == strategy


def test_nothing_said_is_quickstart():
    """With neither model, data nor experiment chosen, the quickstart preset decides."""
    assert compose([]).choices["experiment"] == "quickstart"
    assert "experiment" not in compose(["model=qwen3_8b"]).choices


def test_hardware_auto_is_what_was_detected(monkeypatch):
    """hardware=auto takes the group file of the accelerator that this machine has."""
    from ftcore.config import compose as module
    from ftcore.config import resolvers
    from ftcore.hardware.detect import Device, Machine

    machine = Machine(dcu=(Device("K100_AI", "gfx928", 64.0),) * 2)
    monkeypatch.setattr(module, "this_machine", lambda: machine)
    monkeypatch.setattr(resolvers, "this_machine", lambda: machine)
    composed = compose(["hardware=auto"])
    assert composed.choices["hardware"] == "dcu"
    assert composed.experiment.hardware.devices_per_node == 2
    assert composed.experiment.precision.dtype == "bf16"
