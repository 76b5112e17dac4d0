"""What is installed, read from files, and what of it cannot train."""

import sys

import pytest

from ftcore.config.compose import compose
from ftcore.config.schema import Experiment
from ftcore.hardware import software
from ftcore.hardware.detect import Device, Machine
from ftcore.hardware.software import Software, TorchBuild, ranks_use_this_interpreter, torch_build, unfit
from ftcore.plan import preflight

VENDOR = TorchBuild("2.5.1+das.opt1.dtk25041", None, "6.3.25041")
CUDA = TorchBuild("2.11.0+cu130", "13.0", None)
CPU = TorchBuild("2.11.0+cpu")


def experiment(*words: str) -> Experiment:
    return compose(words).experiment


def said(e: Experiment, there: Software) -> list[str]:
    return [str(problem) for problem in unfit(e, there)]


@pytest.mark.parametrize(
    ("text", "version", "kind"),
    [
        ("__version__ = '2.11.0+cu130'\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n",
         "2.11.0+cu130", "cuda"),
        ("__version__ = '2.5.1+das.opt1.dtk25041'\ncuda = None\nhip = '6.3.25041'\n",
         "2.5.1+das.opt1.dtk25041", "dcu"),
        ("__version__ = '2.1.0+das1.1'\n", "2.1.0+das1.1", "dcu"),
        ("__version__ = '2.1.0a0+git793d2b5.abi0.dtk2404'\n", "2.1.0a0+git793d2b5.abi0.dtk2404", "dcu"),
        ("__version__ = '2.11.0+cpu'\ncuda = None\nhip = None\n", "2.11.0+cpu", "cpu"),
    ],
)  # fmt: skip
def test_build(tmp_path, text, version, kind):
    """Version and kind come from the text of torch/version.py, in each form it has had."""
    (tmp_path / "version.py").write_text("from typing import Optional\n" + text)
    build = torch_build(tmp_path)
    assert (build.version, build.kind) == (version, kind)


@pytest.mark.parametrize("text", ["def broken(:\n", None])
def test_build_that_cannot_be_read(tmp_path, text):
    """A torch without a readable version.py is still a torch."""
    if text:
        (tmp_path / "version.py").write_text(text)
    assert torch_build(tmp_path) is not None
    assert torch_build(None) is None


def test_this_interpreter_without_importing(monkeypatch):
    """The installed stack is seen, and nothing of it imported for that."""
    there = software.this_interpreter()
    assert there.torch and there.torch.version.startswith("2.") and "deepspeed" in there.versions


@pytest.mark.parametrize("build", [CUDA, CPU])
def test_replaced_torch(build):
    """A torch that is not for DCUs is refused with the way back; the vendor's is not."""
    e = experiment("hardware=dcu")
    (line,) = said(e, Software(build))
    assert "was replaced" in line and "--no-deps" in line and "constraints" in line
    assert said(e, Software(VENDOR)) == []


def test_the_way_out_on_a_cluster():
    """Where the nodes may have another interpreter, the key that says so is named."""
    e = experiment("hardware=dcu", "cluster=slurm", "parallelism=ddp")
    (line,) = said(e, Software(CUDA))
    assert "cluster.python=" in line and sys.executable in line


@pytest.mark.parametrize(
    ("hardware", "build", "count"),
    [
        ("cuda", CUDA, 0), ("cuda", CPU, 1), ("cuda", VENDOR, 1),
        ("cpu", CUDA, 0), ("cpu", CPU, 0), ("cpu", VENDOR, 0),
    ],
)  # fmt: skip
def test_other_hardware(hardware, build, count):
    """CUDA needs a build for CUDA; a CPU runs any."""
    assert len(said(experiment(f"hardware={hardware}"), Software(build))) == count


def test_nothing_without_torch():
    """A login node without torch is not complained of."""
    e = experiment("hardware=dcu", "cluster=slurm", "parallelism=zero3")
    assert said(e, Software(None, {"deepspeed": "0.12.3"})) == []


@pytest.mark.parametrize(
    ("version", "onebit", "complaint"),
    [
        ("0.12.3", True, "frozen"),
        ("0.12.3+das1.1.gita5f1f6d.abi0.dtk2404", True, "frozen"),
        ("0.13.2", True, ""),
        ("0.14.2+das.opt1", True, ""),
        ("0.18.9", True, ""),
        ("0.19.8", False, "runtime.fp16.onebit"),
        ("das-2024-04", True, ""),
    ],
)
def test_deepspeed(version, onebit, complaint):
    """Too old for mmengine's option, or without the module it imports; only where DeepSpeed is used."""
    there = Software(VENDOR, {"deepspeed": version}, onebit)
    lines = said(experiment("hardware=dcu", "parallelism=zero3"), there)
    assert [complaint in line for line in lines] == ([True] if complaint else [])
    assert said(experiment("hardware=dcu", "parallelism=ddp"), there) == []


def test_flash_attention():
    """flash_attention_2 without flash-attn names sdpa; the default needs no flash-attn on a DCU."""
    e = experiment("hardware=dcu", "model.attention=flash_attention_2")
    (line,) = said(e, Software(VENDOR))
    assert line.startswith("model.attention") and "sdpa" in line
    assert said(e, Software(VENDOR, {"flash_attn": "2.6.1+das.opt1"})) == []
    assert experiment("hardware=dcu").model.attention == "sdpa"


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ([], True),
        (["cluster=slurm"], True),
        (["cluster=slurm", "cluster.python=/opt/python"], False),
        (["cluster=slurm", "cluster.prefix=[apptainer, exec, x.sif]"], False),
        (["cluster=slurm", "+cluster.env.PYTHONPATH=/vendor"], False),
        (["cluster=slurm", "cluster.setup=['export PYTHONPATH=/vendor']"], False),
        (["cluster=slurm", "cluster.setup=['module load compiler/dtk/25.04']"], True),
    ],
)
def test_whose_interpreter(words, same):
    """Only where the configuration names no other one are the ranks taken to use this one."""
    assert ranks_use_this_interpreter(experiment("hardware=cpu", *words)) is same


def test_preflight(monkeypatch):
    """Told before anything is queued; where the card itself is missing, that is what is told."""
    monkeypatch.setattr(preflight, "this_interpreter", lambda: Software(CUDA))
    monkeypatch.setattr(preflight, "this_machine", Machine)
    words = ["hardware=dcu", "hardware.devices_per_node=1"]
    assert list(preflight.software(experiment(*words))) == []
    assert [p.key for p in preflight.software(experiment(*words, "cluster=slurm"))] == ["installation"]
    assert list(preflight.software(experiment(*words, "cluster=slurm", "cluster.python=python3"))) == []
    monkeypatch.setattr(preflight, "this_machine", lambda: Machine(dcu=(Device("K100", "gfx926", 64.0),)))
    assert [p.key for p in preflight.software(experiment(*words))] == ["installation"]
