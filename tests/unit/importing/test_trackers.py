"""A visualizer in an XTuner configuration is a tracker, and back."""

import pytest

from ftcore.config.compose import compose
from ftcore.config.errors import RequestError
from ftcore.config.xtuner import build
from ftcore.config.xtuner.compare import normal
from ftcore.config.xtuner.tracker import tracker_values
from ftcore.importing.convert import convert

SHORT = "visualizer = dict(type='Visualizer', vis_backends=[{}])"
FILES = {
    "tensorboard": (SHORT.format("dict(type='TensorboardVisBackend')"), {}),
    "mlflow": (
        SHORT.format("dict(type='MLflowVisBackend', exp_name='a/b', tracking_uri='http://h:5000')"),
        {"experiment": "a/b", "uri": "http://h:5000"},
    ),
    "wandb": (
        SHORT.format("dict(type='WandbVisBackend', init_kwargs=dict(project='p', mode='online'))"),
        {"project": "p", "mode": "online"},
    ),
    "swanlab": (
        SHORT.format("dict(type='SwanlabVisBackend', init_kwargs=dict(project='p', mode='offline'))"),
        {"project": "p"},
    ),
}
NOT_UNDERSTOOD = [
    "dict(type='LocalVisBackend')",
    "dict(type='TensorboardVisBackend'), dict(type='LocalVisBackend')",
    "dict(type='WandbVisBackend')",
    "dict(type='WandbVisBackend', init_kwargs=dict(project='a/b', mode='offline'))",
    "dict(type='WandbVisBackend', init_kwargs=dict(project='p', mode='disabled'))",
    "dict(type='MLflowVisBackend')",
]


@pytest.mark.parametrize("kind", FILES)
def test_a_known_backend_is_a_tracker(kind, edited):
    """It needs no passthrough, and the preset chooses the group."""
    line, values = FILES[kind]
    imported = convert(edited({}, line), "mine")
    assert imported.passthrough == () and imported.preset.groups["tracker"] == kind
    found = imported.experiment.tracker
    assert found.kind == kind and {name: getattr(found, name) for name in values} == values


@pytest.mark.parametrize("backends", NOT_UNDERSTOOD)
def test_another_one_is_passed_through(backends, edited):
    """What no tracker of ftcore stands for stays as it is."""
    imported = convert(edited({}, SHORT.format(backends)), "mine")
    assert [one.path for one in imported.passthrough] == ["visualizer"]
    assert "tracker" not in imported.preset.groups


@pytest.mark.parametrize("kind", ["none", *FILES])
def test_there_and_back(kind):
    """What ftcore writes for a tracker is read as that tracker."""
    e = compose([f"tracker={kind}", "hardware=cpu"]).experiment
    found = tracker_values(normal(build(e))["visualizer"])
    assert found.get("tracker.kind", "none") == kind
    assert all(getattr(e.tracker, key.removeprefix("tracker.")) == value for key, value in found.items())


@pytest.mark.parametrize("uri", ["http://me:secret@host:5000", "postgresql://me:secret@host/db"])
def test_a_password_is_refused(uri):
    """It would stand in the record of every run; the message does not repeat it."""
    with pytest.raises(RequestError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        compose(["tracker=mlflow", f"tracker.uri={uri}", "hardware=cpu"])
    assert "secret" not in str(refused.value)
