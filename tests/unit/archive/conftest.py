"""A place for run folders, and a run with all that one may hold."""

import pytest

from tests.fixtures.archives import ID
from tests.fixtures.run_folders import Folders, checkpoint, template


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The record of a run that ftcore made; composing takes a second."""
    return template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def folders(tmp_path, made):
    return Folders(tmp_path / "runs", made)


@pytest.fixture
def run(folders):
    """A complete run with all that a run directory may hold."""
    run = folders.make(ID, name="试验")
    checkpoint(run, 10)
    (run.path / "code" / "src" / "__pycache__").mkdir(parents=True)
    (run.path / "code" / "source.tar.gz").write_bytes(b"archive")
    (run.path / "code" / "src" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (run.path / "logs" / "1" / "submitit").mkdir(parents=True)
    (run.path / "logs" / "1" / "submitit" / "1_submitted.pkl").write_bytes(b"pickle")
    (run.path / "logs" / "1" / "rank0.out").write_text("step 1\n" * 2000)
    (run.path / "empty.txt").write_bytes(b"")
    (run.path / ".record.json.1.tmp").write_bytes(b"half")
    (run.path / "link").symlink_to("/etc/passwd")
    (run.path / "metrics.jsonl").write_text('{"step": 1, "loss": 1.5}\n')
    return run
