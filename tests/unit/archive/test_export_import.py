"""Export and import: whole and verified, or nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ftcore.cli.main import main
from ftcore.runs.files import write_json
from tests.fixtures.archives import ID, export, members, refused
from tests.fixtures.run_folders import age, tree

ROOT = Path(__file__).parents[3]


def test_what_an_archive_holds(run, tmp_path):
    """All but hidden files, links, pickles and compiled files; weights and checkpoints on request."""
    small = members(export(run, tmp_path / "a.tar.gz"))
    inside = [name.split("/", 2)[2] for name in small[1:-1]]
    assert small[0] == "ftcore-runs.json" and small[-1] == "manifest.json"
    assert sorted(inside) == ["code/source.tar.gz", "config.yaml", "empty.txt", "logs/1/rank0.out",
                              "metrics.jsonl", "record.json", "trained.json"]  # fmt: skip
    whole = members(export(run, tmp_path / "b.tar", "--weights", "--checkpoints"))
    assert {name.split("/")[2] for name in set(whole) - set(small)} == {"adapter", "merged", "checkpoints"}


def test_same_run_same_bytes(run, tmp_path):
    """Nothing in an archive depends on when it was made."""
    first, second = (export(run, tmp_path / name).read_bytes() for name in ("a.tar.gz", "b.tar.gz"))
    assert first == second


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar"])
def test_there_and_back(run, tmp_path, name, capsys):
    """What comes out is what went in; a second time it is there already; ls, logs and note work on it."""
    archive, there = export(run, tmp_path / name, "--weights", "--checkpoints"), tmp_path / "there"
    assert main(["import", str(archive), "--runs-dir", str(there)]) == 0
    left_out = (".pyc", ".pkl", ".tmp", "link")
    expected = {name: data for name, data in tree(run.path).items() if not name.endswith(left_out)}
    assert tree(there / "试验" / ID) == expected
    capsys.readouterr()
    assert main(["import", str(archive), "--runs-dir", str(there), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["was_there"] is True
    assert main(["ls", "--runs-dir", str(there), "--json"]) == 0 and ID in capsys.readouterr().out
    assert main(["logs", ID, "--runs-dir", str(there)]) == 0 and "step 1" in capsys.readouterr().out
    assert main(["tag", ID, "keep", "--runs-dir", str(there)]) == 0
    capsys.readouterr()
    assert "differs: record.json" in refused(archive, there, capsys, code=2)


def test_two_runs_one_there(folders, run, tmp_path, capsys):
    """Of several runs those that are there, identical, are left alone and the others come."""
    other = folders.make("20260102-000000-00000")
    both, there = tmp_path / "both.tar.gz", tmp_path / "there"
    assert main(["export", str(run.path), str(other.path), str(run.path), "--to", str(both)]) == 0
    export(run, tmp_path / "one.tar.gz")
    assert main(["import", str(tmp_path / "one.tar.gz"), "--runs-dir", str(there)]) == 0
    capsys.readouterr()
    assert main(["import", str(both), f"runs_dir={there}"]) == 0
    out = capsys.readouterr().out
    assert "identical" in out and "imported" in out and len(list(there.glob("*/*/record.json"))) == 2


def test_running_run_is_refused(folders, tmp_path, capsys):
    """A run that may be running is not exported, and every other mistake is told with it."""
    run = folders.make(ID, "running")
    record = json.loads(run.record.read_text())
    record["attempts"][0]["nodes"] = ["another-host"]
    write_json(run.record, record)
    assert main(["export", str(run.path), "--to", str(tmp_path / "none" / "a.zip")]) == 2
    err = capsys.readouterr().err
    assert "is running" in err and "no such folder" in err and "its ending" in err


def test_file_that_is_there_stays(run, tmp_path, capsys):
    """An existing file is replaced only with --force."""
    target = tmp_path / "a.tar.gz"
    target.write_text("mine")
    assert main(["export", str(run.path), "--to", str(target)]) == 2 and target.read_text() == "mine"
    export(run, target, "--force")


def test_file_that_changes_under_the_hands(run, tmp_path, capsys, monkeypatch):
    """A file that changes while it is exported ends the export; no archive is left."""
    import ftcore.cli.export as command

    real = command.items

    def items(*args):
        found = real(*args)
        (run.path / "metrics.jsonl").write_text("longer than before\n" * 9)
        return found

    monkeypatch.setattr(command, "items", items)
    assert main(["export", str(run.path), "--to", str(tmp_path / "a.tar.gz")]) == 1
    assert "metrics.jsonl changed" in capsys.readouterr().err
    assert not list(tmp_path.glob("*a.tar.gz*"))


def test_killed_export_and_again(run, tmp_path):
    """An export killed at any moment leaves no archive; again, it is whole and nothing else is there."""
    (run.path / "merged" / "big.bin").write_bytes(os.urandom(30_000_000))
    target = tmp_path / "out" / "a.tar.gz"
    target.parent.mkdir()
    words = [sys.executable, "-m", "ftcore", "export", str(run.path), "--weights", "--to", str(target)]
    part = target.with_name(f".{target.name}.part")
    for size in (1, 5_000_000, 20_000_000):
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and not (part.exists() and part.stat().st_size >= size):
                time.sleep(0.005)
            process.kill()
        assert not target.exists()
    assert subprocess.run(words, cwd=ROOT, capture_output=True).returncode == 0
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert main(["import", str(target), "--runs-dir", str(tmp_path / "there")]) == 0


def test_killed_import_and_again(run, tmp_path, capsys):
    """An import killed at any moment leaves no run; what it left goes an hour later, with the next one."""
    (run.path / "merged" / "big.bin").write_bytes(os.urandom(30_000_000))
    archive, there = export(run, tmp_path / "a.tar.gz", "--weights"), tmp_path / "there"
    words = [sys.executable, "-m", "ftcore", "import", str(archive), "--runs-dir", str(there)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(there.glob("*/.*.tmp/merged/big.bin")):
            time.sleep(0.002)
        process.kill()
    capsys.readouterr()
    assert main(["ls", "--runs-dir", str(there), "--json"]) == 0 and json.loads(capsys.readouterr().out) == []
    (left,) = there.glob("*/.*.tmp")
    age(left)
    assert subprocess.run(words, cwd=ROOT, capture_output=True).returncode == 0
    assert [path.name for path in there.glob("*/*")] == [ID]
