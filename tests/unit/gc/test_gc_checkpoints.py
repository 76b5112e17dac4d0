"""gc and checkpoints: the last good one of a run that is not complete is never among what goes."""

import json
import os
import shutil
import time
from pathlib import Path

import psutil
from hypothesis import given
from hypothesis import strategies as st

from ftcore.cli.main import main
from ftcore.gc.checkpoints import superfluous
from ftcore.gc.find import Wanted, find
from ftcore.gc.remove import remove
from ftcore.gc.survey import Survey
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json
from tests.fixtures.run_folders import age, checkpoint, newest_whole, removed

KINDS = frozenset({"checkpoints", "temporary", "data", "models", "sources", "runs"})


def steps(run):
    return sorted(path.name for path in run.checkpoints.glob("*"))


def gc(folders, *words):
    return main(["gc", "--runs-dir", str(folders.runs), *words])


@given(st.lists(st.booleans(), max_size=8), st.booleans())
def test_the_newest_whole_one_stays(whole, done):
    """Of an unfinished run the newest whole checkpoint stays, and all where none is whole."""
    found = [(f"step_{number:08d}", one) for number, one in enumerate(whole)]
    going = superfluous(found, done)
    if done:
        assert set(going) == {name for name, _ in found}
    elif any(whole):
        last = max(name for name, one in found if one)
        assert set(going) == {name for name, _ in found} - {last}
    else:
        assert going == {}


def test_dry_by_default(folders, capsys):
    """Without --yes nothing is touched, and the table names what, where, how much and why."""
    run = folders.make("20260101-000000-00000")
    checkpoint(run, 10)
    assert gc(folders) == 0
    out = capsys.readouterr().out
    assert "checkpoints" in out and "--yes removes them" in out
    assert gc(folders, "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)["found"]
    assert Path(one["path"]).name == "step_00000010" and one["why"] and not one["removed"]
    assert steps(run) == ["step_00000010"] and removed(run) == []


def test_complete_run(folders, capsys):
    """Checkpoints of a complete run go, the record says so, and nothing is missing of it."""
    run = folders.make("20260101-000000-00000")
    checkpoint(run, 10)
    checkpoint(run, 20)
    assert gc(folders, "--yes", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["removed"] for one in told["found"]] == [True, True] and told["bytes"] > 200
    assert steps(run) == [] and removed(run) == ["checkpoints/step_00000010", "checkpoints/step_00000020"]
    assert main(["resume", str(run.path)]) == 0
    assert "nothing is missing" in capsys.readouterr().out
    assert main(["resume", str(run.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == run.id
    assert gc(folders, "--yes") == 0 and "removed 0" in capsys.readouterr().out


def test_complete_in_name_only(folders):
    """Where the exported weights are gone or of another size, the newest whole checkpoint stays."""
    gone, short = folders.make("20260101-000000-00000"), folders.make("20260102-000000-00000")
    for run in (gone, short):
        checkpoint(run, 10)
        checkpoint(run, 20)
    shutil.rmtree(gone.adapter)
    (short.adapter / "adapter_model.safetensors").write_bytes(b"cut")
    assert gc(folders, "--yes") == 0
    assert steps(gone) == steps(short) == ["step_00000020"]


def test_stopped_run(folders):
    """Of a stopped run the newest whole one stays; older and torn ones go."""
    run = folders.make("20260101-000000-00000", "failed")
    for step, whole in ((10, True), (20, True), (30, False)):
        checkpoint(run, step, whole)
    assert gc(folders, "--yes") == 0
    assert steps(run) == ["step_00000020"]


def test_what_is_not_touched(folders):
    """Runs that wait, run, are tagged keep, or whose settings cannot be read keep all they have."""
    queued = folders.make("20260101-000000-00000", "queued")
    entry = record.read(queued)
    entry["launch"] |= {"cluster": "slurm", "job_id": "1"}
    entry["attempts"][0]["job_id"] = "1"
    write_json(queued.record, entry)
    elsewhere = folders.make("20260102-000000-00000", "running")
    entry = record.read(elsewhere)
    entry["attempts"][0]["nodes"] = ["another-host"]
    write_json(elsewhere.record, entry)
    kept = folders.make("20260103-000000-00000", tags=["keep"])
    foreign = folders.make("20260104-000000-00000", config={"lora.rank": "many"})
    for run in (queued, elsewhere, kept, foreign):
        checkpoint(run, 10)
        checkpoint(run, 20)
    assert gc(folders, "--yes") == 0
    for run in (queued, elsewhere, kept, foreign):
        assert len(steps(run)) == 2, run.id


def test_resumed_between_look_and_removal(folders):
    """A run that was resumed meanwhile keeps its checkpoints."""
    run = folders.make("20260101-000000-00000")
    checkpoint(run, 10)
    survey = Survey(folders.runs)
    found = find(survey, Wanted(kinds=KINDS), lambda _: None).candidates
    record.begin_attempt(run)
    assert "goes on" in remove(found[0], survey)
    assert steps(run) == ["step_00000010"] and removed(run) == []


def test_weights_lost_between_look_and_removal(folders):
    """Where the adapter vanished meanwhile, the only checkpoint stays."""
    run = folders.make("20260101-000000-00000")
    checkpoint(run, 10)
    survey = Survey(folders.runs)
    found = find(survey, Wanted(kinds=KINDS), lambda _: None).candidates
    shutil.rmtree(run.adapter)
    assert "needed" in remove(found[0], survey)
    assert steps(run) == ["step_00000010"]


def test_disk_full(folders, monkeypatch):
    """On a full disk a checkpoint still goes, and the record says so once there is room."""
    run = folders.make("20260101-000000-00000")
    path = checkpoint(run, 10)
    real = write_json

    def write(where, value, **how):
        if any(path.parent.glob(".gone.*")):
            raise OSError(28, "No space left on device")
        real(where, value, **how)

    monkeypatch.setattr("ftcore.runs.record.write_json", write)
    assert gc(folders, "--yes") == 0
    assert list(run.checkpoints.iterdir()) == [] and removed(run) == ["checkpoints/step_00000010"]


def test_left_by_a_killed_gc(folders):
    """What a killed gc renamed and did not delete goes at once, and the record then says what it was."""
    run = folders.make("20260101-000000-00000")
    path = checkpoint(run, 10)
    host = os.uname().nodename.replace(".", "-")
    path.rename(path.with_name(f".gone.{path.name}.{host}.99999999.tmp"))
    assert gc(folders, "--yes") == 0
    assert list(run.checkpoints.iterdir()) == [] and removed(run) == ["checkpoints/step_00000010"]


def test_temporaries(folders):
    """Those of processes that are gone go after an hour; young ones and those of running processes stay."""
    run = folders.make("20260101-000000-00000", "failed")
    names = [
        ".adapter.99999999.tmp",
        f".merged.{os.getpid()}.tmp",
        ".record.json.99999998.tmp",
        "checkpoints/.step_00000010.tmp",
    ]
    for name in names:
        (run.path / name).mkdir(parents=True)
    age(run.path / names[0])
    age(run.path / names[3])
    mine = time.time() - psutil.Process().create_time()
    age(run.path / names[1], min(7200, mine / 2))
    assert gc(folders, "--yes") == 0
    left = [name for name in names if (run.path / name).exists()]
    assert left == names[1:3]


def test_older_than_and_keep(folders):
    """--older-than and --keep leave things alone."""
    run = folders.make("20260101-000000-00000")
    checkpoint(run, 10)
    assert gc(folders, "--yes", "--older-than", "3h") == 0 and steps(run)
    assert gc(folders, "--yes", "--keep", "checkpoints") == 0 and steps(run)
    assert gc(folders, "--yes", "--older-than", "90m") == 0 and not steps(run)


def test_every_mistake_at_once(folders, capsys):
    """Wrong kinds, states, ages and words are told together, with the nearest name."""
    assert gc(folders, "last", "--keep", "checkpoint", "--state", "fialed", "--older-than", "soon") == 2
    err = capsys.readouterr().err
    for part in ("last: gc takes no run", "did you mean checkpoints?", "did you mean failed?", "30d"):
        assert part in err


def test_record_that_cannot_be_read(folders, capsys):
    """What an unreadable record needs, nobody knows: nothing but temporaries goes, and it is named."""
    run = folders.make("20260101-000000-00000")
    checkpoint(run, 10)
    broken = RunDirectory(folders.runs / "x" / "20260102-000000-00000")
    broken.path.mkdir()
    broken.record.write_text("{")
    assert gc(folders, "--yes") == 0
    assert "cannot be read" in capsys.readouterr().out and steps(run)


def test_newest_whole_helper(folders):
    """The measure that the property tests use."""
    run = folders.make("20260101-000000-00000", "failed")
    checkpoint(run, 10)
    checkpoint(run, 20, whole=False)
    assert newest_whole(run) == 10
