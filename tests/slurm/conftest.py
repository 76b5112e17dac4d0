"""The cluster that the tests of this folder share."""

import os
from collections.abc import Iterator

import pytest

from tests.slurm.cluster import Cluster, stop_orphans, why_not


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slurm: needs Slurm's programs and root; starts a cluster")


@pytest.fixture(scope="session")
def slurm_session() -> Iterator[Cluster]:
    """A running cluster. Where none can run the tests are skipped, but never in CI, which must look."""
    if reason := why_not():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    stop_orphans()
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def slurm(slurm_session: Cluster) -> Iterator[Cluster]:
    """The running cluster, without jobs and with all nodes before and after each test."""
    slurm_session.reset()
    yield slurm_session
    slurm_session.reset()
