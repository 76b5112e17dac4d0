"""What a crash cannot tear: files are whole or old, folders whole or absent."""

import json
import signal
import subprocess
import sys
import time

import pytest

from ftcore.runs.files import folder_in_one_step, read_json, write_json, write_text

WRITE_FOREVER = """
import sys
from pathlib import Path
from ftcore.runs.files import write_json
number = 0
while True:
    number += 1
    write_json(Path(sys.argv[1]), {"number": number, "filling": ["x" * 100] * 2000}, durable=False)
"""


def test_killed_writer_leaves_whole_files(tmp_path):
    """A reader sees whole JSON at every moment, whenever writers are killed."""
    file, read = tmp_path / "record.json", 0
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, str(file)])
        end = time.monotonic() + 0.3
        while time.monotonic() < end or (not file.exists() and writer.poll() is None):
            if file.exists():
                assert len(json.loads(file.read_text())["filling"]) == 2000
                read += 1
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert len(json.loads(file.read_text())["filling"]) == 2000
    assert read > 20


def test_failed_write_keeps_the_old_file(tmp_path):
    """What cannot be written leaves the old text and nothing beside it."""
    file = tmp_path / "a.txt"
    write_text(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "\udcff")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_chinese_stays_readable(tmp_path):
    """JSON is written as UTF-8, not as escapes, and read back equal."""
    write_json(tmp_path / "a.json", {"名": "试验"})
    assert "试验" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"名": "试验"}
    assert read_json(tmp_path / "none.json") is None


def test_folder_appears_whole(tmp_path):
    """Nobody sees the folder before it is full."""
    with folder_in_one_step(tmp_path / "out") as folder:
        (folder / "part").write_text("x")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out/part").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_failed_folder_leaves_nothing(tmp_path):
    """A failure while filling leaves neither the folder nor its parts."""
    with pytest.raises(RuntimeError), folder_in_one_step(tmp_path / "out") as folder:
        (folder / "part").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_there_stays(tmp_path):
    """The first one to finish wins; what came second is dropped."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/first").write_text("1")
    with folder_in_one_step(tmp_path / "out") as folder:
        (folder / "second").write_text("2")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["first"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
