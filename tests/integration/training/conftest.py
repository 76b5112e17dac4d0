"""Runs that several tests look at: each costs ten seconds or more of imports."""

import pytest

from tests.fixtures.tiny import Finished, Tiny, train


@pytest.fixture(scope="session")
def run_of(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory):
    """A function that runs a tiny experiment, once for each set of changes."""
    done: dict[tuple, Finished] = {}

    def run(**changed) -> Finished:
        key = tuple(sorted(changed.items()))
        if key not in done:
            done[key] = train(tiny, tmp_path_factory.mktemp("runs"), **changed)
            assert done[key].code == 0, done[key].err
        return done[key]

    return run
