"""A record that is no record: who needs it is told which file, and what there still is; exit code 1."""

import shutil

import pytest

from ftcore.cli.main import main
from tests.fixtures import records

SPOILT = {"cut off": '{"id": "x"', "empty": "", "another value": "[]", "no run's": "{}"}
WORDS = [
    ["show"], ["status"], ["logs"], ["resume"], ["cancel"], ["rerun"], ["tag"], ["tag", "good"],
    ["note", "words"], ["diff", "last"], ["export"], ["report"], ["report", "last"], ["deploy"], ["chat"],
]  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The oldest of three runs, its configuration beside its record."""
    monkeypatch.chdir(tmp_path)
    records.write(tmp_path / "runs", records.variants(records.template(tmp_path / "base"), 3))
    run = min((path.parent for path in tmp_path.glob("runs/*/*/record.json")), key=lambda path: path.name)
    (config,) = tmp_path.glob("base/*/*/config.yaml")
    shutil.copy(config, run)
    return run


@pytest.fixture(params=SPOILT)
def spoilt(request, run):
    """A run whose record is spoilt."""
    (run / "record.json").write_text(SPOILT[request.param])
    return run


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_command_that_needs_it(words, spoilt, capsys):
    """What, where, what was kept and what goes on; nothing on stdout, no traceback."""
    assert main([words[0], spoilt.name, *words[1:]]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"ftcore {words[0]}: failed\n")
    assert f"{spoilt.relative_to(spoilt.parents[2])}/record.json cannot be read" in err
    assert "\n  kept: " in err and "\n  goes on with: " in err


@pytest.mark.parametrize("words", [["deploy"], ["chat"], ["evaluate"], ["rerun"]], ids=" ".join)
@pytest.mark.parametrize("content", [None, "a: [1"])
def test_configuration_that_is_none(words, content, run, capsys):
    """A run's config.yaml that is gone or no YAML is told likewise."""
    if content is None:
        (run / "config.yaml").unlink()
    else:
        (run / "config.yaml").write_text(content)
    assert main([words[0], run.name, *words[1:]]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "config.yaml cannot be read" in err


def test_list_goes_on(spoilt, capsys):
    """ls shows such a run by its folder, as unreadable, among the others."""
    assert main(["ls", "--columns", "run,state", "--csv"]) == 0
    lines = capsys.readouterr().out.split()
    assert lines[1] == f"{spoilt.name},unreadable" and len(lines) == 4
