"""Listings: the index is never needed and never wrong; runs that went away are told so."""

import errno
import json
import os
import shutil
import time

import pytest

from ftcore.listing import index
from ftcore.listing import rows as listing
from ftcore.listing.rows import Listing
from ftcore.runs import record, state
from ftcore.runs.directory import RunDirectory, every
from ftcore.runs.liveness import Life
from tests.fixtures import records

COUNT = 80
GONE_HOST = "another-machine"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return records.template(tmp_path_factory.mktemp("base"))


@pytest.fixture
def folder(base, tmp_path):
    """Enough ended runs for an index to be worth its while."""
    records.write(tmp_path / "runs", records.variants(base, COUNT))
    return tmp_path / "runs"


def listed(folder):
    found = Listing(folder)
    found.remember()
    return found


def ids_and_losses(folder):
    found = listed(folder)
    return dict(zip(found.column("id"), found.column("results.final_loss"), strict=True))


def truth(folder):
    entries = [json.loads(run.record.read_text()) for run in every(folder)]
    return {entry["id"]: entry["results"].get("final_loss") for entry in entries}


def change(run, **fields):
    """Another record in place of the run's, as every writer does it."""
    entry = json.loads(run.record.read_text()) | fields
    run.record.with_name("new").write_text(json.dumps(entry))
    run.record.with_name("new").replace(run.record)


def going(run, cluster="local", job_id="999999999", host=None, **attempt):
    """Make it a run whose record says that it goes on."""
    entry = json.loads(run.record.read_text())
    entry["state"] = "running"
    entry["launch"] |= {"cluster": cluster, "job_id": job_id}
    entry["attempts"][-1] |= {
        "state": "running",
        "ended": None,
        "host": host or os.uname().nodename,
        **attempt,
    }
    change(run, **entry)


def counted(monkeypatch):
    """The paths of records that are read from now on."""
    paths, read = [], index.read
    monkeypatch.setattr(index, "read", lambda path: paths.append(path) or read(path))
    return paths


def test_second_listing_reads_no_record(folder, monkeypatch):
    """What the index holds is not read again, and is the same."""
    first = ids_and_losses(folder)
    paths = counted(monkeypatch)
    assert ids_and_losses(folder) == first == truth(folder)
    assert paths == []


def test_every_key_from_the_index(folder):
    """The index has all keys of all records with all their values."""
    fresh = Listing(folder)
    kept = {key: fresh.column(key) for key in fresh.keys}
    fresh.remember()
    again = Listing(folder)
    assert {key: again.column(key) for key in again.keys} == kept and len(kept) > 200


def test_changed_new_and_removed_runs(folder, base, monkeypatch):
    """Only what changed is read, and what was removed is gone."""
    listed(folder)
    runs = list(every(folder))
    change(runs[3], results={"final_loss": 0.125})
    shutil.rmtree(runs[5].path)
    records.write(folder, [next(iter(records.variants(base, 1, seed=9))) | {"id": "20270101-000000-000aa"}])
    paths = counted(monkeypatch)
    assert ids_and_losses(folder) == truth(folder)
    assert len(paths) == 2


def test_same_size_and_time(folder):
    """A record rewritten within one tick of the clock, of the same size, is another file all the same."""
    listed(folder)
    run = next(run for run in every(folder) if "final_loss" in json.loads(run.record.read_text())["results"])
    status = run.record.stat()
    text = run.record.read_text().replace('"name"', '"eman"', 1)
    run.record.with_name("new").write_text(text)
    run.record.with_name("new").replace(run.record)
    os.utime(run.record, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run.record.stat().st_size == status.st_size
    found = listed(folder)
    assert found.column("eman").count(None) == COUNT - 1


def test_young_records_are_not_remembered(folder):
    """A record of this moment is read again next time: its inode may be used again within the tick."""
    now = time.time()
    for run in every(folder):
        os.utime(run.record, (now, now))
    listed(folder)
    assert index.load(folder).paths == []


@pytest.mark.parametrize("spoil", ["cut", "empty", "garbage", "folder", "older", "dead link"])
def test_index_that_cannot_be_read(folder, spoil):
    """Whatever lies in its place, the listing is right, and a file is put right."""
    listed(folder)
    place = folder / index.PLACE
    text = place.read_bytes()
    if spoil in ("folder", "dead link"):
        place.unlink()
        if spoil == "folder":
            place.mkdir()
        else:
            place.symlink_to("nowhere")
    else:
        kinds = {"cut": text[:-9], "empty": b"", "garbage": os.urandom(999)}
        place.write_bytes(kinds.get(spoil, text.replace(b'"version":1', b'"version":0')))
    assert ids_and_losses(folder) == truth(folder)
    assert spoil == "folder" or place.read_bytes() == text


def test_read_only_folder(folder, monkeypatch):
    """Where nothing can be written there is no index, and the listing is right."""
    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    assert ids_and_losses(folder) == truth(folder)
    assert not (folder / ".index").exists()


def refuse(*_, **__):
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}", '{"state": 3}', "\udcff"])
def test_record_that_is_none(folder, text):
    """A spoilt record is one row that says so, and hides no other."""
    run = next(iter(every(folder)))
    run.record.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = Listing(folder)
    assert len(found) == COUNT
    assert found.column("state")[0] in ("unreadable", None, 3)


def test_empty_and_absent(tmp_path):
    """No runs, and no folder, are no rows; nothing is made there."""
    assert len(listed(tmp_path)) == len(listed(tmp_path / "none")) == 0
    assert list(tmp_path.iterdir()) == []


def test_dead_run_is_written_down(folder):
    """A run whose processes are gone is shown as failed, and its record says so from then on."""
    run = list(every(folder))[4]
    going(run)
    assert listed(folder).column("state")[4] == "failed"
    entry = record.read(run)
    assert (entry["state"], entry["error"]["type"]) == ("failed", "ProcessDied")


def test_dead_run_in_a_read_only_folder(folder, monkeypatch):
    """There it is shown as failed all the same, each time anew, and by every command."""
    run = list(every(folder))[4]
    going(run)
    before = run.record.read_bytes()
    monkeypatch.setattr("ftcore.runs.record.locked", refuse)
    for _ in range(2):
        assert listed(folder).column("state")[4] == "failed"
    assert state.settled(run)["state"] == state.now(run)["run"]["state"] == "failed"
    assert run.record.read_bytes() == before


def test_not_written_down_is_not_remembered(folder, monkeypatch):
    """What only this listing knows does not get into the index: the next one finds it out for itself."""
    monkeypatch.setattr(listing, "WRITE_SECONDS", -1)
    run = list(every(folder))[4]
    going(run)
    os.utime(run.record, (1e9, 1e9))
    assert listed(folder).column("state")[4] == "failed"
    assert f"{run.name}/{run.id}" not in index.load(folder).paths
    assert json.loads(run.record.read_text())["state"] == "running"


def test_run_of_another_machine(folder):
    """A local run of another host is neither alive nor dead as far as this one can see; its record stays."""
    runs = list(every(folder))
    going(runs[4], host=GONE_HOST)
    before = runs[4].record.read_bytes()
    found = listed(folder)
    assert found.column("state")[4] == "unknown" and found.unseen == {4: GONE_HOST}
    assert runs[4].record.read_bytes() == before
    assert state.now(runs[4])["unknown"] == f"started on {GONE_HOST}"


def test_one_question_for_all(folder, monkeypatch):
    """Many open runs are one look at the processes and one question to Slurm."""
    asked = []
    monkeypatch.setattr(
        "launchers.local_processes.running", lambda jobs: asked.append(len(jobs)) or set(jobs)
    )

    def states(ids, patience):
        asked.append(tuple(ids))
        return {"7": "RUNNING", "8": "GONE"}

    monkeypatch.setattr("launchers.slurm_queue.states", states)
    runs = list(every(folder))
    for number in range(10):
        going(runs[number], job_id=str(100 + number))
    for number, job in ((10, "7"), (11, "8"), (12, "9")):
        going(runs[number], cluster="slurm", job_id=job, host=GONE_HOST)
    found = Listing(folder)
    assert asked[:2] == [10, ("7", "8", "9")]
    assert found.column("state")[:13] == ["running"] * 11 + ["failed", "unknown"]
    assert found.unseen == {12: "Slurm"}


def test_removed_while_looking(folder, monkeypatch):
    """A run that goes away between two looks is no row and no error."""
    gone = list(every(folder))[7]
    stamp = listing._stamp

    def then_gone(path):
        answer = stamp(path)
        if path == str(gone.record):
            shutil.rmtree(gone.path)
        return answer

    monkeypatch.setattr(listing, "_stamp", then_gone)
    found = Listing(folder)
    assert len(found) == COUNT - 1 and gone.id not in found.column("id")


def test_life_of_a_run_that_is_being_started(folder):
    """Between its making and its job, a queued attempt is nobody's corpse; half an hour later it is."""
    run = next(iter(every(folder)))
    going(run, job_id=None, state="queued", started=record.now())
    entry = json.loads(run.record.read_text())
    entry["attempts"][-1].pop("job_id")
    assert state.life(run, entry) is Life.ALIVE
    entry["attempts"][-1]["started"] = "2026-01-01T00:00:00+00:00"
    assert state.life(run, entry) is Life.GONE


def test_moved_folder(folder, tmp_path):
    """A folder of runs that was moved lists the same, index and all."""
    before = ids_and_losses(folder)
    moved = folder.rename(tmp_path / "moved")
    assert ids_and_losses(moved) == before
    copied = shutil.copytree(moved, tmp_path / "copied")
    assert ids_and_losses(copied) == before
    assert RunDirectory(moved / next(iter(index.load(moved).paths))).record.is_file()
