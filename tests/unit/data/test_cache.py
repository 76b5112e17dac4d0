"""Entries are whole or not there; files are hashed once."""

import json
import multiprocessing
import os
import time

import numpy as np
import pytest

from ftcore.data import cache, fingerprints
from ftcore.data.cache import build_entry, canonical_key, read_manifest
from ftcore.data.errors import DataError
from ftcore.data.npy import NpyWriter, write_npy


def write_two_files(folder):
    (folder / "a.bin").write_bytes(b"12345")
    (folder / "b.bin").write_bytes(b"")
    return {"rows": 3}


def build_slowly(entry, gate, results):
    def write(folder):
        gate.wait()
        return write_two_files(folder)

    results.put(build_entry(entry, write))


def test_an_entry_is_read_back_with_its_sizes(tmp_path):
    """The manifest comes back with the files and their sizes."""
    made = build_entry(tmp_path / "data" / "k", write_two_files)
    assert made == read_manifest(tmp_path / "data" / "k") == {"rows": 3, "files": {"a.bin": 5, "b.bin": 0}}


@pytest.mark.parametrize("damage", ["short file", "no file", "no manifest", "half manifest", "other json"])
def test_a_torn_entry_is_not_read_and_is_replaced(tmp_path, damage):
    """Whatever is missing, the entry does not count and a build puts a whole one in its place."""
    entry = tmp_path / "k"
    build_entry(entry, write_two_files)
    match damage:
        case "short file":
            (entry / "a.bin").write_bytes(b"123")
        case "no file":
            (entry / "b.bin").unlink()
        case "no manifest":
            (entry / "manifest.json").unlink()
        case "half manifest":
            (entry / "manifest.json").write_text('{"rows": 3, "fil')
        case "other json":
            (entry / "manifest.json").write_text("[]")
    assert read_manifest(entry) is None
    build_entry(entry, write_two_files)
    assert read_manifest(entry)["rows"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_a_failed_build_leaves_nothing(tmp_path):
    """An exception inside the build neither publishes nor litters."""

    def fail(folder):
        write_two_files(folder)
        raise DataError("bad row")

    with pytest.raises(DataError, match="bad row"):
        build_entry(tmp_path / "k", fail)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_that_build_one_key_both_succeed_with_one_result(tmp_path):
    """The second one to finish finds the first one's entry and drops its own."""
    context = multiprocessing.get_context("fork")
    gate, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=build_slowly, args=(tmp_path / "k", gate, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    manifests = [results.get(timeout=20) for _ in workers]
    for worker in workers:
        worker.join(20)
        assert worker.exitcode == 0
    assert manifests[0] == manifests[1]
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_the_second_builder_returns_the_first_ones_manifest(tmp_path):
    """What is on disk is what both go on with."""

    def write(folder):
        build_entry(tmp_path / "k", lambda inner: write_two_files(inner) | {"builder": "first"})
        return write_two_files(folder) | {"builder": "second"}

    assert build_entry(tmp_path / "k", write)["builder"] == "first"


def test_leftovers_of_a_killed_build_go_after_a_day(tmp_path):
    """A younger folder may be another process at work and stays."""
    for name, age in ((".k.dead", cache.STALE_SECONDS + 60), (".k.live", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    build_entry(tmp_path / "k", write_two_files)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".k.live", "k"]


def test_a_key_does_not_depend_on_the_order_of_its_parts():
    """Canonical JSON: equal content, equal key; any other content, another key."""
    assert canonical_key({"a": 1, "b": [1, "你"]}) == canonical_key({"b": [1, "你"], "a": 1})
    assert canonical_key({"a": 1}) != canonical_key({"a": "1"})
    assert canonical_key({"a": [1, 2]}) != canonical_key({"a": [2, 1]})


@pytest.fixture
def hashed(monkeypatch):
    """Paths that were read to be hashed."""
    seen = []
    real = fingerprints.sha256_of
    monkeypatch.setattr(
        fingerprints, "sha256_of", lambda path: seen.append(os.path.basename(path)) or real(path)
    )
    return seen


def settled(path, content):
    path.write_text(content)
    os.utime(path, (time.time() - 10,) * 2)
    return path


def test_an_unchanged_file_is_hashed_once(tmp_path, hashed):
    """A second start knows the hash without reading the file."""
    file = settled(tmp_path / "a", "x")
    first = fingerprints.fingerprints([file], tmp_path)
    assert fingerprints.fingerprints([file], tmp_path) == first
    assert hashed == ["a"]
    assert (first[0].bytes, len(first[0].sha256)) == (1, 64)


def test_a_changed_file_is_hashed_again(tmp_path, hashed):
    """Same name and size, another time."""
    file = settled(tmp_path / "a", "x")
    first = fingerprints.fingerprints([file], tmp_path)
    file.write_text("y")
    assert fingerprints.fingerprints([file], tmp_path)[0].sha256 != first[0].sha256


def test_a_file_just_written_is_not_remembered(tmp_path, hashed):
    """It could change again within one tick of the clock."""
    (tmp_path / "a").write_text("x")
    for _ in range(2):
        fingerprints.fingerprints([tmp_path / "a"], tmp_path / "cache")
    assert hashed == ["a", "a"]


@pytest.mark.parametrize("memo", ["{", "[]", '{"x": 1}', "null"])
def test_a_damaged_memo_costs_only_time(tmp_path, memo):
    """It is a memo, not a record."""
    (tmp_path / "fingerprints.json").write_text(memo)
    file = settled(tmp_path / "a", "x")
    assert len(fingerprints.fingerprints([file], tmp_path)) == 1
    assert str(file) in json.loads((tmp_path / "fingerprints.json").read_text())


def test_a_missing_file_is_named(tmp_path):
    """The reason is the system's, the name ours."""
    with pytest.raises(DataError, match="gone: No such file"):
        fingerprints.fingerprints([tmp_path / "gone"], tmp_path)


@pytest.mark.parametrize("dtype", ["i4", "i8", "?"])
def test_streamed_arrays_are_ordinary_npy_files(tmp_path, dtype):
    """numpy maps what was appended in pieces, an empty piece among them."""
    writer = NpyWriter(tmp_path / "x.npy", dtype)
    for piece in ([1, 0, 1], [], [1]):
        writer.append(np.array(piece))
    writer.close()
    array = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert array.tolist() == [1, 0, 1, 1]
    assert array.dtype == np.dtype(dtype)


def test_an_empty_array_is_an_npy_file_too(tmp_path):
    """Nothing appended still makes a readable file."""
    write_npy(tmp_path / "x.npy", np.array([]), "i8")
    assert np.load(tmp_path / "x.npy").shape == (0,)
