"""The probe's answer, judged."""

import math

import pytest

from ftcore.config.compose import compose
from ftcore.doctor.deep import answer_of, judge

RIGHT = {"float32": 1e-7, "float16": 4e-4, "bfloat16": 3e-3}


def told(**changed) -> dict:
    card = {"name": "K100_AI", "gib": 64.0, "arch": "gfx928"}
    return {
        "seconds": 2.0, "version": "2.5.1+das.dtk2504", "cuda": None, "hip": "6.3", "devices": [card],
        "products": {"cuda:0": RIGHT}, "backend": {"name": "nccl", "sum": 1.0},
    } | changed  # fmt: skip


def lines(answer: dict, *words: str) -> dict:
    e = compose(["hardware=dcu", "hardware.devices_per_node=1", "hardware.arch=gfx928", *words]).experiment
    return {one.name: one for one in judge(e, answer)}


def test_all_is_well():
    """Every line is ok, RCCL by its own name."""
    found = lines(told())
    assert {one.state for one in found.values()} == {"ok"} and "rccl" in found


def test_torch_does_not_import():
    """The one line there is names the toolkit."""
    (one,) = lines({"error": "ImportError: libgalaxyhip.so.5: cannot open shared object file"}).values()
    assert one.state == "missing" and "module load" in one.remedy


def test_torch_sees_no_card():
    """With a build for CUDA the build is the reason; with the vendor's, driver and permissions."""
    blind = told(devices=[], products={})
    assert "/dev/kfd" in lines(blind)["devices"].remedy
    other = lines(blind | {"version": "2.11.0+cu130", "cuda": "13.0", "hip": None})["devices"]
    assert other.state == "missing" and "no build for dcu" in other.remedy and "--no-deps" in other.remedy


@pytest.mark.parametrize("error", [0.5, math.nan, {"error": "RuntimeError: HIPBLAS_STATUS_ALLOC_FAILED"}])
def test_wrong_numbers(error):
    """In the experiment's own precision missing, in another one a warning."""
    products = {"cuda:0": RIGHT | {"float16": error}}
    assert lines(told(products=products), "precision=fp16")["product cuda:0 float16"].state == "missing"
    assert lines(told(products=products), "precision=bf16")["product cuda:0 float16"].state == "warning"


def test_emulated_bf16_is_said():
    """Right numbers do not make it real."""
    found = lines(told(), "hardware.arch=gfx906")["product cuda:0 bfloat16"]
    assert "emulated" in found.found


@pytest.mark.parametrize("total", [2.0, {"error": "DistBackendError: NCCL error"}])
def test_no_collective(total):
    """Ranks that cannot talk cannot train."""
    assert lines(told(backend={"name": "nccl", "sum": total}))["rccl"].state == "missing"


@pytest.mark.parametrize(
    ("code", "out", "err", "said"),
    [
        (1, "", "Traceback\nModuleNotFoundError: No module named 'yaml'", "exit code 1: ModuleNotFoundError"),
        (-11, "", "", "killed by signal 11: without a word"),
    ],
)
def test_probe_that_dies(code, out, err, said):
    """How it died, and its last words."""
    assert said in answer_of(code, out, err)["error"]


def test_noise_around_the_answer():
    """What libraries print is passed over."""
    assert answer_of(0, 'a warning\n{"version": "2"}\nbye\n', "")["version"] == "2"
