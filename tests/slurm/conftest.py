"""The cluster that the tests of this folder share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.tiny import Tiny
from tests.slurm.cluster import Cluster, stop_orphans, why_not
from tests.slurm.runs import LONG, SLOW, Site, losses


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


@pytest.fixture(scope="session")
def fault_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of the tests of faults."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture
def site(slurm: Cluster, tiny: Tiny, fault_runs: Path) -> Site:
    """A person's view on the running cluster."""
    return Site(slurm, tiny, fault_runs)


@pytest.fixture(scope="session")
def whole(slurm_session: Cluster, tiny: Tiny, fault_runs: Path) -> list[tuple[int, float]]:
    """The losses of LONG on two nodes, which nothing befell."""
    return _undisturbed(Site(slurm_session, tiny, fault_runs), LONG)


@pytest.fixture(scope="session")
def whole_slow(slurm_session: Cluster, tiny: Tiny, fault_runs: Path) -> list[tuple[int, float]]:
    """The losses of SLOW on two nodes, which nothing befell."""
    return _undisturbed(Site(slurm_session, tiny, fault_runs), SLOW)


def _undisturbed(site: Site, keys: dict) -> list[tuple[int, float]]:
    run = site.submit(2, 1, **keys)
    assert site.ended(run)["state"] == "completed"
    return losses(run)
