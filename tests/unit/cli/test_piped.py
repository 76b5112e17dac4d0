"""What goes into a file or a pipe: whole ids and paths in one line, and nothing of a progress bar."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ftcore.cli.main import main
from tests.fixtures import records

ROOT = Path(__file__).parents[3]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two ended runs under a long folder, seen through 60 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    folder = tmp_path / "a_folder_with_quite_a_long_name_of_its_own" / "runs"
    records.write(folder, records.variants(records.template(tmp_path / "base"), 2))
    return folder


@pytest.mark.parametrize(("command", "whole"), [("status", "2026-03-01T00:00:00+00:00"), ("gc", "/.a.1.tmp")])
def test_nothing_is_folded(command, whole, runs, capsys):
    """Times and paths stand in one line each, however narrow the terminal was."""
    record = min(runs.glob("*/*/record.json"), key=lambda path: path.parent.name)
    (left := record.parent / ".a.1.tmp").write_text("left over")
    os.utime(left, (0, 0))
    words = [] if command == "gc" else [record.parent.name]
    assert main([command, *words, "--runs-dir", str(runs)]) == 0
    out, err = capsys.readouterr()
    assert (f"{record.parent}{whole}" if command == "gc" else whole) in out
    assert err == ""


def test_keys_that_are_not_there_at_once(runs, capsys):
    """`show` tells of every key that the record has not."""
    (record, *_) = runs.glob("*/*/record.json")
    assert main(["show", record.parent.name, "lrr", "seeed", "--runs-dir", str(runs)]) == 2
    err = capsys.readouterr().err
    assert "lrr: no such key" in err and "did you mean lr?" in err and "did you mean seed?" in err


def test_rank_that_is_not_there(runs, capsys):
    """`logs` names the ranks there are."""
    (record, *_) = runs.glob("*/*/record.json")
    (logs := record.parent / "logs" / "1").mkdir(parents=True)
    for rank in (0, 1):
        (logs / f"rank{rank}.out").write_text("words\n")
    assert main(["logs", record.parent.name, "--rank", "9", "--runs-dir", str(runs)]) == 2
    assert "--rank: no rank 9 in attempt 1; allowed: 0, 1" in capsys.readouterr().err


def test_rates_that_could_not_be_written(runs, capsys):
    """`calibrate` says so before it measures."""
    Path("file").write_text("")
    assert main(["calibrate", "hardware=cpu", "--to", "file/rates.json"]) == 2
    assert "--to: file/rates.json cannot be written here" in capsys.readouterr().err


def test_ctrl_c_while_it_starts():
    """Ctrl-C in the first moments ends it without a traceback."""
    program = (
        "import os, runpy, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'ftcore.cli.commands':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "runpy.run_module('ftcore', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_terminal_without_the_letters(tmp_path):
    """What an output's encoding lacks is replaced, not a traceback."""
    surroundings = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "ftcore", "plan", "name=试验", "hardware=cpu"]
    done = subprocess.run(words, cwd=tmp_path, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "" and "??" in done.stdout
