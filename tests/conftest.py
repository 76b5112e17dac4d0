"""Fixtures that several folders share."""

from pathlib import Path

import pytest

from ftcore import compat
from tests.fixtures.served_runs import teach
from tests.fixtures.tiny import Tiny, make_tiny

compat.whole_grammars()


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
