"""Runs that were moved here, and runs whose processes are on another machine."""

import json
from pathlib import Path

import pytest

from ftcore.cli import resume
from ftcore.cli.main import main
from ftcore.cli.screen import Screen
from ftcore.repeat.reproduce import Mismatch
from ftcore.runs.directory import every
from tests.fixtures import records


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that its record says goes on, on another machine."""
    base = records.template(tmp_path / "base")
    entry = next(records.variants(base, 1))
    entry["state"] = "running"
    entry["attempts"][-1] |= {"state": "running", "ended": None, "host": "another-machine", "nodes": []}
    records.write(tmp_path / "runs", iter([entry]))
    monkeypatch.chdir(tmp_path)
    return next(every(Path("runs")))


def test_unknown_to_every_command(run, capsys):
    """It is neither running nor failed here, and that is said; its record stays as it is."""
    before = run.record.read_bytes()
    assert main(["ls"]) == 0
    out = capsys.readouterr().out
    assert "unknown" in out and "another-machine" in out
    assert main(["ls", "state=unknown", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["run"] == run.id
    assert main(["status", "last"]) == 0
    assert "started on another-machine" in capsys.readouterr().out
    assert run.record.read_bytes() == before


def test_cannot_be_cancelled_from_here(run, capsys):
    """No signal is sent to whatever has that number on this machine."""
    assert main(["cancel", "last", "--now"]) == 1
    assert "cannot be reached from here" in capsys.readouterr().err
    assert not list(run.path.glob("logs/*/stop.json"))


def test_is_resumed_only_on_demand(run, capsys, monkeypatch):
    """Two jobs must not write one run; whoever knows that it is over says so."""
    assert main(["resume", "last"]) == 2
    assert "--force" in capsys.readouterr().err
    monkeypatch.setattr(resume, "go_on", lambda *_, **__: 0)
    assert main(["resume", "last", "--force"]) == 0
    assert json.loads(run.record.read_text())["state"] == "failed"


def test_folder_that_is_no_more(tmp_path, monkeypatch, capsys):
    """Relative paths start where the run was made, or here where that folder is gone; that is said."""
    monkeypatch.chdir(tmp_path)
    there = {"launch": {"folder": str(tmp_path / "there")}}
    assert resume._folder(there, Screen()) == tmp_path
    assert "is not here" in capsys.readouterr().out
    (tmp_path / "there").mkdir()
    assert resume._folder(there, Screen()) == tmp_path / "there"


@pytest.mark.parametrize(
    ("words", "goes_on"),
    [
        (["chat"], "resume"),
        (["deploy", "deploy=vllm"], "resume"),
        (["evaluate"], "resume"),
        (["rerun"], "rerun"),
    ],
)
def test_command_that_goes_on_finds_the_run(words, goes_on, tmp_path, monkeypatch, capsys):
    """What is to be typed next has the folder of runs where that is not the usual one."""
    monkeypatch.chdir(tmp_path)
    other_data = Mismatch("data x", "0", "1", decides=True)
    monkeypatch.setattr("ftcore.cli.rerun.mismatches", lambda *_: [other_data])
    run = records.template(Path("other runs"))["id"]
    assert main([words[0], run, *words[1:], "--runs-dir", "other runs"]) in (1, 2)
    line = next(line for line in capsys.readouterr().err.splitlines() if f"ftcore {goes_on} {run}" in line)
    assert "--runs-dir 'other runs'" in line
