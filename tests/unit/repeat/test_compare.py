"""Only what differs between runs is told."""

from hypothesis import given
from hypothesis import strategies as st

from ftcore.repeat.compare import differences, differing, first_difference
from ftcore.runs import metrics
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json, write_text

VALUES = st.one_of(st.integers(-2, 2), st.text(max_size=2), st.none(), st.booleans())


def make(tmp_path, name, **changed):
    """A run directory with a whole record, parts of it replaced."""
    run = RunDirectory(tmp_path / name / "n" / name)
    run.path.mkdir(parents=True)
    root = f"{tmp_path}/{name}"
    entry = {
        "schema_version": 2, "state": "completed",
        "config": {"lr": 0.1, "optim": {"betas": [0.9, 0.999]}, "runs_dir": root,
                   "cache_dir": f"{root}/.cache", "model": {"path": f"{root}/.cache/m"}},
        "code": {"commit": "c", "dirty": False, "diff_sha256": None, "source_sha256": "s", "version": "1"},
        "environment": {"python": "3.11", "platform": "p", "packages": {}},
        "hardware": {"card": "CPU"}, "launch": {"nodes": 1}, "attempts": [],
        "data": {"source": "d", "sha256": "x", "rows": 3, "sources": [{"path": "/a/d.jsonl", "sha256": "x"}]},
        "model": {"sha256": "m"}, "results": {"final_loss": 1.0}, "artifacts": [],
    }  # fmt: skip
    for key, value in changed.items():
        entry[key] = {**entry[key], **value} if isinstance(value, dict) else value
    write_json(run.record, entry)
    write_text(run.path / "environment.txt", "torch==2.11.0\nftcore==0.1.0\n")
    return run


def test_where_a_run_lies_is_no_difference(tmp_path):
    """The same experiment under two runs folders: nothing differs."""
    assert differences([make(tmp_path, "a"), make(tmp_path, "b")]) == {}


def test_each_section(tmp_path):
    """A change in each is told under its own section and key, with the values in the runs' order."""
    first = make(tmp_path, "a")
    second = make(
        tmp_path, "b", config={"lr": 0.2}, code={"source_sha256": "t"}, hardware={"card": "H100"},
        data={"sha256": "y"}, model={"sha256": "n"}, results={"final_loss": 0.5},
    )  # fmt: skip
    write_text(second.path / "environment.txt", "torch==2.12.0\nftcore==0.1.0\n")
    found = differences([first, second])
    assert found["config"] == {"lr": [0.1, 0.2]} and found["code"] == {"source_sha256": ["s", "t"]}
    assert found["environment"] == {"packages.torch": ["2.11.0", "2.12.0"]}
    assert found["machine"] == {"hardware.card": ["CPU", "H100"]}
    assert found["data"] == {"sha256": ["x", "y"]} and found["model"] == {"sha256": ["m", "n"]}
    assert found["results"] == {"final_loss": [1.0, 0.5]}


def test_three_runs(tmp_path):
    """A key that one of three has otherwise is told for all three; one that is missing is None."""
    runs = [make(tmp_path, name) for name in "ab"] + [make(tmp_path, "c", config={"extra": 1})]
    assert differences(runs)["config"] == {"extra": [None, None, 1]}


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), VALUES), min_size=2, max_size=4))
def test_differing_is_exact(each):
    """A key is told exactly where not all have the same value."""
    rows = differing(each)
    for key in {key for one in each for key in one}:
        values = [one.get(key) for one in each]
        assert (key in rows) == any(value != values[0] for value in values)
        assert rows.get(key, values) == values


def test_first_difference():
    """The first step whose loss differs; steps that one has not reached do not count."""
    first = [{"step": step, "loss": step / 10} for step in range(1, 6)]
    assert first_difference(first, first[:3]) is None
    second = [dict(line) for line in first]
    second[3]["loss"] = 9.0
    assert first_difference(first, second) == 4


def test_metrics_and_record_of_a_run_that_never_started(tmp_path):
    """No metrics, no attempts, no results: still compared."""
    first, second = make(tmp_path, "a"), make(tmp_path, "b", results={}, state="created")
    metrics.append(first.metrics, {"step": 1, "loss": 1.0})
    found = differences([first, second])["results"]
    assert found["state"] == ["completed", "created"] and found["steps_written"] == [1, 0]
