"""A place for run folders."""

import pytest

from tests.fixtures.run_folders import Folders, template


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The record of a run that ftcore made; composing takes a second."""
    return template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def folders(tmp_path, made):
    return Folders(tmp_path / "runs", made)
