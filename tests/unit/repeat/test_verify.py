"""The verdict over a run and its repetition."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.repeat.verify import verify
from ftcore.runs import metrics
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json

LOSSES = [3.0, 2.5, 2.0, 1.5]


@pytest.fixture
def make(tmp_path):
    """A finished run of those losses."""

    def one(name, losses=LOSSES, sha="a", dtype="fp32", evaluation=None):
        run = RunDirectory(tmp_path / "n" / name)
        run.path.mkdir(parents=True)
        artifacts = [{"path": "adapter/adapter_model.safetensors", "sha256": sha}]
        artifacts += [{"path": "adapter/adapter_config.json", "sha256": name}]
        entry = {"schema_version": 2, "config": {"precision": {"dtype": dtype}}, "artifacts": artifacts}
        write_json(run.record, entry)
        for step, loss in enumerate(losses, 1):
            metrics.append(run.metrics, {"step": step, "loss": loss})
        if evaluation is not None:
            write_json(run.evaluation, evaluation)
        return run

    return one


def test_identical(make):
    """Every loss to the last bit, the same weights; a configuration file beside them may differ."""
    found = verify(make("a"), make("b"))
    assert (found.verdict, found.first_step, found.weights, found.reasons) == ("identical", None, True, ())


def test_first_step_is_named(make):
    """A loss that is off by more than rounding: different, from that step on."""
    found = verify(make("a"), make("b", [3.0, 2.5, 2.1, 1.5], sha="b"))
    assert found.verdict == "different" and found.first_step == 3 and found.weights is False
    assert any("step 3" in reason for reason in found.reasons)


@pytest.mark.parametrize(("dtype", "verdict"), [("fp32", "different"), ("bf16", "equal within tolerance")])
def test_tolerance_is_of_the_type(make, dtype, verdict):
    """What bf16 explains, fp32 does not."""
    again = [3.0, 2.5, 2.004, 1.5]
    assert verify(make("a", dtype=dtype), make("b", again, sha="b", dtype=dtype)).verdict == verdict


def test_fewer_steps_are_different(make):
    """Even where all that are there agree."""
    found = verify(make("a"), make("b", LOSSES[:3]))
    assert found.verdict == "different" and found.first_step is None


def test_other_weights_alone(make):
    """The same losses and other weights are not identical."""
    assert verify(make("a"), make("b", sha="x")).verdict == "equal within tolerance"


def test_replies_count_and_seconds_do_not(make):
    """An evaluation is the same where replies and scores are, however long they took."""

    def measured(seconds, reply):
        who = {"seconds": seconds, "right_tool": {"count": 1, "of": 2}}
        return {"base": who, "tuned": who, "cases": [{"id": 1, "tuned": reply}]}

    first = make("a", evaluation=measured(1.0, "x"))
    assert verify(first, make("b", evaluation=measured(2.0, "x"))).evaluation is True
    found = verify(first, make("c", evaluation=measured(1.0, "y")))
    assert found.evaluation is False and found.verdict != "identical"


@given(losses=st.lists(st.floats(), min_size=1, max_size=8))
def test_nan_and_infinity(tmp_path_factory, losses):
    """A run is identical to a copy of itself, whatever its losses are."""
    root = tmp_path_factory.mktemp("v")
    for name in ("a", "b"):
        run = RunDirectory(root / name)
        run.path.mkdir()
        write_json(run.record, {"schema_version": 2, "config": {}, "artifacts": []})
        for step, loss in enumerate(losses, 1):
            metrics.append(run.metrics, {"step": step, "loss": loss})
    found = verify(RunDirectory(root / "a"), RunDirectory(root / "b"))
    assert found.verdict == "identical" and not math.isnan(found.largest_difference)
