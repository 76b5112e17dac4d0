"""Fixtures that several folders share."""

import pytest

from tests.fixtures.tiny import Tiny, make_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A tiny model, its tokenizer and data, made once."""
    return make_tiny(tmp_path_factory.mktemp("tiny"))
