"""Two hundred runs that change state while somebody lists them."""

import json
import multiprocessing
from pathlib import Path

import pytest

from ftcore.listing import index
from ftcore.listing.rows import Listing
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory, every
from tests.fixtures import records

RUNS, WRITERS, ROUNDS = 200, 4, 2
STATES = ("queued", "running", "completed")


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Nobody pulls the plug here: without fsync the writers meet more often."""
    monkeypatch.setattr("os.fsync", lambda _: None)


def write(paths: list[Path], who: int) -> None:
    """Take each run through its states, with a note in it of each step."""
    for turn in range(ROUNDS):
        for state in STATES:
            for path in paths:
                record.update(RunDirectory(path), _step(state, f"{who}.{turn}.{state}"))


def _step(state: str, note: str):
    def change(entry: record.Record) -> None:
        entry["state"] = state
        entry["tags"].append(note)
        entry["results"]["final_loss"] = len(entry["tags"])

    return change


def test_no_torn_read_and_nothing_lost(tmp_path):
    """Every listing has all runs, as somebody wrote them; in the end there are all steps of all writers."""
    runs_dir = tmp_path / "runs"
    base = records.template(tmp_path / "base") | {"attempts": []}
    entries = (entry | {"tags": [], "attempts": []} for entry in records.variants(base, RUNS))
    records.write(runs_dir, entries)
    paths = [run.path for run in every(runs_dir)]
    context = multiprocessing.get_context("fork")
    # Two of the writers at each run.
    shares = [paths[: RUNS // 2], paths[RUNS // 2 :]] * (WRITERS // 2)
    writers = [context.Process(target=write, args=(share, who)) for who, share in enumerate(shares)]
    for writer in writers:
        writer.start()
    listings = 0
    while any(writer.is_alive() for writer in writers):
        found = Listing(runs_dir)
        states, losses, tags = (found.column(key) for key in ("state", "results.final_loss", "tags"))
        assert len(found) == RUNS and "unreadable" not in states
        assert all(len(kept) == loss for kept, loss in zip(tags, losses, strict=True) if kept)
        found.remember()
        listings += 1
    assert [writer.exitcode for writer in writers] == [0] * WRITERS and listings > 2
    found = Listing(runs_dir)
    assert found.column("state") == ["completed"] * RUNS
    steps = WRITERS // 2 * ROUNDS * len(STATES)
    assert [len(set(kept)) for kept in found.column("tags")] == [steps] * RUNS
    # Whatever the index holds of them by now is what their files say.
    kept = index.load(runs_dir)
    said = dict(zip(kept.paths, zip(kept.stamps, kept.values("tags"), strict=True), strict=True))
    for path, (stamp, tags) in said.items():
        file = runs_dir / path / "record.json"
        if index.stamp(file.stat()) == stamp:
            assert json.loads(file.read_text())["tags"] == tags
