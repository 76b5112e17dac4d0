"""What a tracker needs installed, told before anything starts."""

import importlib.util

import pytest

from ftcore.config.compose import compose
from ftcore.plan import preflight

WANTED = {
    ("tensorboard",): ["tensorboard"],
    ("mlflow",): ["mlflow-skinny", "sqlalchemy", "alembic"],
    ("mlflow", "tracker.uri=http://h:5000"): ["mlflow-skinny"],
    ("wandb",): ["wandb"],
    ("swanlab",): ["swanlab"],
    ("swanlab", "tracker.mode=local"): ["swanlab", "swanboard"],
    ("none",): [],
}


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize("words", WANTED)
def test_missing_packages_are_told_with_their_pip_line(words, nothing_installed):
    """Each by what pip calls it."""
    e = compose([f"tracker={words[0]}", *words[1:], "hardware=cpu"]).experiment
    told = list(preflight.tracker(e))
    assert [problem.allowed for problem in told] == (
        [f"pip install {' '.join(WANTED[words])}"] if WANTED[words] else []
    )


def test_a_clusters_nodes_have_their_own(nothing_installed):
    """What is installed on the login node says nothing of them."""
    assert not list(
        preflight.tracker(compose(["tracker=wandb", "cluster=slurm", "hardware=cuda"]).experiment)
    )
