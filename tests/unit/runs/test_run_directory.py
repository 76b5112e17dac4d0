"""Run directories: never shared, found by whatever a person types."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ftcore.config.errors import RequestError
from ftcore.runs.directory import every, find, make

MAKE = "import sys; from pathlib import Path; from ftcore.runs.directory import make; " \
    "[print(make(Path(sys.argv[1]), 'x').id) for _ in range(20)]"  # fmt: skip


def runs(root, *ids, name="x"):
    """Empty runs with these ids."""
    for one in ids:
        (root / name / one).mkdir(parents=True)
        (root / name / one / "record.json").write_text("{}")
    return root


def test_threads_never_share(tmp_path):
    """Many threads that ask in the same second each get a directory of their own."""
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: make(tmp_path, "x").path, range(64)))
    assert len(set(made)) == 64 and all(path.is_dir() for path in made)


def test_processes_never_share(tmp_path):
    """Nor do many processes."""
    command = [sys.executable, "-c", MAKE, str(tmp_path)]
    jobs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    ids = [line for job in jobs for line in job.communicate()[0].split()]
    assert len(ids) == 80 == len(set(ids))


def test_taken_id_is_not_reused(tmp_path, monkeypatch):
    """Where the random part repeats, another is drawn rather than a directory shared."""
    parts = iter(["aa", "aa", "bb"])
    monkeypatch.setattr("ftcore.runs.directory.secrets.token_hex", lambda _: next(parts))
    monkeypatch.setattr("ftcore.runs.directory.time.time", lambda: 1767225600.25)
    assert [make(tmp_path, "x").id[-5:] for _ in range(2)] == ["250aa", "250bb"]


@pytest.mark.parametrize("name", ["x", "试" * 100])
def test_unwritable_place_is_a_wrong_request(tmp_path, name):
    """A runs_dir that cannot be written to, or a name too long for a folder, is told under its key."""
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" if name == "x" else tmp_path
    with pytest.raises(RequestError, match="runs_dir: cannot write"):
        make(root, name)


@pytest.mark.parametrize("reference", ["20260102-000000-bbbb", "20260102", "x/20260102-000000-bbbb", "last"])
def test_found(tmp_path, reference):
    """A run is found by id, the beginning of one, name and id, or `last`."""
    root = runs(tmp_path, "20260101-000000-aaaa", "20260102-000000-bbbb")
    assert find(root, reference).id == "20260102-000000-bbbb"


def test_found_by_folder(tmp_path, monkeypatch):
    """A run is found by its folder, also from inside it and outside runs_dir."""
    root = runs(tmp_path, "20260101-000000-aaaa")
    assert find(tmp_path / "other", str(root / "x/20260101-000000-aaaa")).id == "20260101-000000-aaaa"


def test_found_from_beside(tmp_path, monkeypatch):
    """A folder named from beside it knows its name."""
    root = runs(tmp_path, "20260101-000000-aaaa")
    monkeypatch.chdir(root / "x")
    assert find(tmp_path / "other", "20260101-000000-aaaa/").name == "x"


def test_found_from_inside(tmp_path, monkeypatch):
    """`.` inside a run's folder is that run, by its id and name."""
    root = runs(tmp_path, "20260101-000000-aaaa")
    monkeypatch.chdir(root / "x/20260101-000000-aaaa")
    found = find(tmp_path, ".")
    assert (found.id, found.name) == ("20260101-000000-aaaa", "x")


def test_last_is_the_newest_of_all_names(tmp_path):
    """`last` looks at every name, not at the last one of the alphabet."""
    runs(tmp_path, "20260103-000000-cccc", name="a")
    runs(tmp_path, "20260101-000000-aaaa", name="z")
    assert find(tmp_path, "last").id == "20260103-000000-cccc"


def test_ambiguous_beginning(tmp_path):
    """A beginning of two ids is refused, and both are shown."""
    root = runs(tmp_path, "20260101-000000-aaaa", "20260101-000001-bbbb")
    with pytest.raises(RequestError, match="2 runs begin so") as caught:
        find(root, "20260101")
    assert "aaaa" in str(caught.value) and "bbbb" in str(caught.value)


@pytest.mark.parametrize("reference", ["nope", "last", "", "../x", "\0", "a" * 5000])
def test_no_such_run(tmp_path, reference):
    """A run that is not there is a wrong request, whatever was typed."""
    with pytest.raises(RequestError, match=r"no such run|runs begin so"):
        find(tmp_path, reference)


def test_nearest_id(tmp_path):
    """A misspelt id is told with the one it resembles."""
    root = runs(tmp_path, "20260101-000000-aaaa")
    with pytest.raises(RequestError, match="did you mean 20260101-000000-aaaa"):
        find(root, "20260101-000000-aaab")


def test_what_is_no_run_is_not_listed(tmp_path):
    """Hidden folders (the cache) and folders without a record are no runs; the others come oldest first."""
    runs(tmp_path, "20260102-000000-bbbb", "20260101-000000-aaaa")
    runs(tmp_path, "20260101-000000-cccc", name=".cache")
    (tmp_path / "x" / "20260103-000000-dddd").mkdir()
    os.makedirs(tmp_path / "x" / "notes")
    assert [run.id[-4:] for run in every(tmp_path)] == ["aaaa", "bbbb"]
