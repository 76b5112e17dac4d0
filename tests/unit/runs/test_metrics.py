"""metrics.jsonl survives a torn last line and a resume."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ftcore.runs import metrics


def lines(path, count):
    for step in range(1, count + 1):
        metrics.append(path, {"step": step, "loss": 1 / step})
    return path


def test_read_after(tmp_path):
    """Reading after a step gives only newer lines; a file that is not there has none."""
    assert [entry["step"] for entry in metrics.read(lines(tmp_path / "m", 5), after=3)] == [4, 5]
    assert metrics.read(tmp_path / "none") == []


@given(cut=st.integers(0, 200))
def test_torn_anywhere(tmp_path_factory, cut):
    """Cut at any byte, what is read is a beginning of what was written."""
    path = lines(tmp_path_factory.mktemp("torn") / "m", 6)
    whole = metrics.read(path)
    path.write_bytes(path.read_bytes()[:cut])
    kept = metrics.read(path)
    assert kept == whole[: len(kept)]


def test_truncate_then_append(tmp_path):
    """Resuming at a step drops later and torn lines; what follows is written once."""
    path = lines(tmp_path / "m", 5)
    with path.open("a") as file:
        file.write('{"step": 6, "lo')
    metrics.truncate(path, 3)
    metrics.append(path, {"step": 4, "loss": 0.0})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


def test_truncate_without_a_file(tmp_path):
    """A run that has no metrics yet has none after it."""
    metrics.truncate(tmp_path / "m", 3)
    assert metrics.read(tmp_path / "m") == []
