"""A calibration on this machine's CPU, with stacks so small that it is over in seconds."""

import json
import time
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from ftcore.cli.main import main
from ftcore.config.compose import compose
from ftcore.config.errors import WorkError
from ftcore.plan.rates_file import load
from ftcore.training.calibrate import session
from ftcore.training.calibrate.cases import Case, Effort, card_cases, cpu_cases
from ftcore.training.calibrate.links import all_reduce
from ftcore.training.calibrate.stack import build, work_of

WIDE = replace(cpu_cases()[0].stack, hidden=128, intermediate=384, heads=4, kv_heads=2, head_dim=32, layers=3,
               vocabulary=512)  # fmt: skip
SMALL = replace(WIDE, hidden=16, intermediate=32, heads=2, kv_heads=1, head_dim=8, vocabulary=32)
TINY = [
    Case("wide", WIDE, (96,)),
    Case("wide, computed again", WIDE, (96,), again=True),
    Case("wide, packed", WIDE, (40, 56)),
    Case("wide, long", WIDE, (256,)),
    Case("wide, fewer layers", replace(WIDE, layers=1), (96,)),
    Case("launches", SMALL, (2,), launch=True),
    Case("launches, fewer layers", replace(SMALL, layers=1), (2,), launch=True),
]
QUICK = Effort(warm=0.0, timed=0.01)


@pytest.fixture(scope="module")
def experiment():
    return compose(["hardware=cpu"]).experiment


@pytest.fixture(scope="module")
def found(experiment):
    told = []
    content = session.calibrate(experiment, time.perf_counter(), 100.0, told.append, TINY, QUICK)
    return content | {"told": told}


@pytest.mark.slow
def test_a_calibration_is_a_rates_file(found, tmp_path):
    """What it leaves can be read back, with rates of both sets and every measurement beside them."""
    content = {name: value for name, value in found.items() if name != "told"}
    file = tmp_path / "rates.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    rates = load(file)
    assert rates.card == "CPU" and rates.dtype == "fp32" and set(rates.kernels) == {"stock", "fast"}
    assert found["notes"] == []
    for kernels in ("stock", "fast"):
        seen = found["measurements"][kernels]
        assert [one["name"] for one in seen] == [case.name for case in TINY]
        assert all(one["seconds"] > 0 and one["fitted"] > 0 for one in seen)
    assert found["memory"] > 1e8 and set(found["optimizer"]) == {"stock", "fused"} and found["link"] is None


@pytest.mark.slow
def test_every_measurement_is_told_before_it_is_made(found, experiment):
    """For a progress bar: never more than it was said there would be."""
    assert found["told"][0] == "memory" and "fast: launches" in found["told"]
    assert len(found["told"]) == 1 + 2 * len(TINY) + 2
    assert session.steps(experiment) == 1 + 2 * len(cpu_cases()) + 2


@pytest.mark.slow
def test_time_that_is_over_leaves_notes(experiment):
    """Nothing is begun after the limit; what is left out is said, and without any rates it is a failure."""
    with pytest.raises(WorkError, match="wide: left out, the time was over"):
        session.calibrate(experiment, time.perf_counter() - 10, 1.0, lambda _: None, TINY, QUICK)


def test_both_kernels_compute_one_loss():
    """The stacks that are timed train: stock's and ftcore's own give the adapters gradients, and computed
    again the same ones."""
    for kernels in ("stock", "fast"):
        stack = build(WIDE, kernels, "cpu", torch.float32)
        gradients = []
        for again in (False, True):
            torch.manual_seed(1)
            for one in stack.trained:
                one.grad = None
            once = stack.turn(Case("", WIDE, (24, 8), again=again))
            once()
            gradients.append([one.grad.clone() for one in stack.trained])
        assert any(one.abs().sum() > 0 for one in gradients[0])
        for first, second in zip(*gradients, strict=True):
            torch.testing.assert_close(first, second)


def test_work_of_a_case_is_what_plan_counts():
    """Fused layers do not compute what is not labelled; a mask is there for stock's packed rows alone."""
    packed = TINY[2]
    assert work_of(packed, "stock", torch.float32).masked
    assert not work_of(packed, "fast", torch.float32).masked
    assert work_of(packed, "fast", torch.float32).head < work_of(packed, "stock", torch.float32).head


@pytest.mark.slow
def test_links_between_two_processes():
    """gloo on this machine: some bytes a second."""
    assert all_reduce("cpu", 2, 0.05) > 1e6


@pytest.mark.parametrize("cases", [card_cases(), cpu_cases()], ids=["card", "cpu"])
def test_cases_are_grouped_by_stack_and_enough_to_tell_rates_apart(cases):
    """A stack is built once; two depths tell layers from the head, two of the launches too."""
    stacks = [case.stack for case in cases]
    changes = sum(1 for before, after in pairwise(stacks) if before != after)
    assert changes + 1 == len(set(stacks))
    assert len({case.stack.layers for case in cases if case.launch}) == 2
    assert len({case.stack.layers for case in cases if not case.launch}) == 2
    assert len([case for case in cases if not case.launch]) >= 5


def test_wrong_requests_are_told_at_once(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", "--to", "rates.yaml", "--limit", "-1", "hardwar=cpu"]) == 2
    told = capsys.readouterr().err
    assert "--to: rates.yaml is no name of a rates file" in told and "--limit: -1 is no time" in told
    assert "did you mean hardware" in told and not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_a_device_that_is_not_here(capsys, tmp_path, monkeypatch):
    """Exit 1, what to do, nothing written."""
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", "hardware=cuda", "--to", "rates.json"]) == 1
    told = capsys.readouterr().err
    assert "torch sees no cuda device here" in told and "doctor" in told
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_from_its_start_to_a_plan(tmp_path, monkeypatch, capsys):
    """calibrate here, and plan knows what a step takes on this CPU."""
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "hardware=cpu", "--json"]) == 0
    before = json.loads(capsys.readouterr().out)["time"]
    assert before["step_seconds"] is None and "python -m ftcore calibrate" in before["why"]
    assert main(["calibrate", "hardware=cpu", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["file"] == "runs/.cache/rates/cpu.json" and made["seconds"] < 140
    assert main(["plan", "hardware=cpu", "--json"]) == 0
    after = json.loads(capsys.readouterr().out)["time"]
    assert after["step_seconds"] > 0 and not after["assumed"] and "cpu.json" in after["source"]
