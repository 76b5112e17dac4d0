"""Tags and notes: what people say of a run goes into its record."""

import json
import threading

import pytest

from ftcore.cli.main import main
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "x" / "20260101-000000-00000"
    folder.mkdir(parents=True)
    write_json(folder / "record.json", {"schema_version": 2, "id": folder.name, "tags": [], "note": ""})
    return RunDirectory(folder)


@pytest.mark.parametrize(
    ("words", "after"),
    [
        (["+good", "bad"], ["good", "bad"]),
        (["good", "good", "基线", "a.b-c_1"], ["good", "基线", "a.b-c_1"]),
        (["-old"], ["kept"]),
        (["~old", "+new"], ["kept", "new"]),
        (["-missing", "+kept"], ["old", "kept"]),
        (["-help"], ["old", "kept"]),
        ([], ["old", "kept"]),
    ],
)
def test_tags(run, words, after):
    """+x and x add, ~x and -x take away; order stays, nothing is there twice."""
    before = ["old", "kept"] if {*after} & {"old", "kept"} else []
    record.update(run, lambda entry: entry.update(tags=before))
    assert main(["tag", "last", *words]) == 0
    assert record.read(run)["tags"] == after


def test_wrong_tags_at_once(run, capsys):
    """Every word that is no tag is told, and nothing of the rest is done."""
    assert main(["tag", "last", "good", "a b", "+", "x/y", "-a", "a", "\x1b[31m", "x" * 65]) == 2
    err = capsys.readouterr().err
    for part in ("a b: is no tag", "+: is no tag", "x/y: is no tag", "a: both added", "\\x1b[31m"):
        assert part in err
    assert record.read(run)["tags"] == []


def test_flags_are_still_flags(run, capsys):
    """--json after a removal is the flag, an unknown long flag is told, and -h is help."""
    assert main(["tag", "last", "-old", "+new", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tags"] == ["new"]
    assert main(["tag", "last", "--old"]) == 2
    assert main(["tag", "-h"]) == 0


def test_two_who_tag_at_once(run):
    """Tags set at the same moment all arrive."""
    words = [f"t{number}" for number in range(12)]
    threads = [threading.Thread(target=main, args=(["tag", str(run.path), word],)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(record.read(run)["tags"]) == sorted(words)


def test_note(run, capsys):
    """A note is set, added to, printed and taken away; a text may begin with a dash."""
    assert main(["note", "last", "学习率", "was too high"]) == 0
    assert main(["note", "last", "--append", "- and the warm-up too short"]) == 0
    capsys.readouterr()
    assert main(["note", "last"]) == 0
    assert capsys.readouterr().out == "学习率 was too high\n- and the warm-up too short\n"
    assert main(["note", "last", ""]) == 0 and record.read(run)["note"] == ""


@pytest.mark.parametrize("text", ["\x1b[2Jx", "a\0b", "\udcff", "x" * 20_001])
def test_note_that_is_no_text(run, text):
    """Escape sequences, broken characters and novels are refused, and the note stays."""
    record.update(run, lambda entry: entry.update(note="before"))
    assert main(["note", "last", text]) == 2
    assert main(["note", "last", "--append"]) == 2
    assert record.read(run)["note"] == "before"
