"""Fixtures that several folders share."""

import os
from pathlib import Path

import hydra
import pytest

from ftcore import compat
from tests.fixtures.compositions import kept
from tests.fixtures.served_runs import teach
from tests.fixtures.tiny import Tiny, make_tiny

compat.whole_grammars()
# Before torch is imported. Threads of two processes on two cores wait for each other: ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def _compositions_are_kept():
    """Of tests' own processes; the command's compose for themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hydra, "compose", kept(hydra.compose))
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A tiny model, its tokenizer and data, made once."""
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model's folder that calls a tool, uses its result, and answers a question; made once."""
    folder = tmp_path_factory.mktemp("taught_model")
    teach(folder)
    return folder
