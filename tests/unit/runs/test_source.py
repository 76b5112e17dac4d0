"""The program in a run's directory is the program."""

import os
import subprocess
import sys
import tarfile

from ftcore.runs import source


def test_archive_runs(tmp_path):
    """Unpacked somewhere else, it composes the default experiment, by its own conf/, and is the same
    program."""
    (tmp_path / "code").mkdir()
    identity = source.save(tmp_path / "code", tmp_path / "cache")
    source.unpack(tmp_path / "code" / source.ARCHIVE, tmp_path / "src")
    code = (
        "import ftcore, sys; from ftcore.runs import source; from ftcore.config.compose import compose;"
        "print(ftcore.__file__, source.identity(source.program()), compose(['lr=3e-4']).experiment.optim.lr)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
    )  # fmt: skip
    assert done.stdout.split() == [str(tmp_path / "src/ftcore/__init__.py"), identity, "0.0003"]


def test_made_once(tmp_path):
    """Two runs of the same program share one archive on disk."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = source.save(tmp_path / "a", tmp_path / "cache")
    assert source.save(tmp_path / "b", tmp_path / "cache") == first
    assert (tmp_path / "a" / source.ARCHIVE).samefile(tmp_path / "b" / source.ARCHIVE)


def test_a_change_is_another_program(tmp_path, monkeypatch):
    """One byte in one file, and the identity and the archive are others."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = source.program()
    before = source.save(tmp_path / "a", tmp_path / "cache")
    changed = tmp_path / "worker.py"
    changed.write_text(files["ftcore/worker.py"].read_text() + "\n# changed\n")
    monkeypatch.setattr(source, "program", lambda: {**files, "ftcore/worker.py": changed})
    assert source.save(tmp_path / "b", tmp_path / "cache") != before
    assert "# changed" in source.texts(tmp_path / "b" / source.ARCHIVE)["ftcore/worker.py"]


def test_nothing_compiled_inside(tmp_path):
    """No byte code, no second copy of conf/."""
    (tmp_path / "a").mkdir()
    source.save(tmp_path / "a", tmp_path / "cache")
    with tarfile.open(tmp_path / "a" / source.ARCHIVE) as tar:
        names = tar.getnames()
    assert "conf/config.yaml" in names and not any("__pycache__" in name for name in names)
    assert not any(name.startswith("ftcore/conf/") for name in names)
