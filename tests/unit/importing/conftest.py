"""XTuner's own configuration files, and edited copies of one of them."""

import importlib.util
from pathlib import Path

import pytest

from ftcore.cli.main import main

XTUNER = importlib.util.find_spec("xtuner")
CONFIGS = Path(XTUNER.submodule_search_locations[0]) / "configs" if XTUNER else Path("none")


@pytest.fixture(autouse=True, scope="session")
def _needs_xtuner():
    if XTUNER is None:
        pytest.skip("needs the package xtuner")


@pytest.fixture(scope="session")
def shipped() -> dict[str, Path]:
    """Each shipped file by its name without .py."""
    return {file.stem: file for file in sorted(CONFIGS.rglob("*.py"))}


@pytest.fixture
def edited(shipped, tmp_path):
    """Writes my.py: a shipped file with texts replaced (each must be there) and lines added to its end."""

    def write(changes: dict[str, str], end: str = "", of: str = "internlm_7b_qlora_alpaca_e3") -> Path:
        text = shipped[of].read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        file = tmp_path / "my.py"
        file.write_text(f"{text}\n{end}\n", encoding="utf-8")
        return file

    return write


@pytest.fixture
def in_an_empty_folder(tmp_path, monkeypatch):
    """Where relative paths of a command start."""
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def run(capsys, in_an_empty_folder):
    """Exit code, output and errors of one command."""

    def run(*words):
        code = main(["import-xtuner", *map(str, words)])
        return code, *capsys.readouterr()

    return run
