"""gc and whole runs: on request alone, and never one that is in use."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftcore.cli.main import main
from ftcore.gc.find import Wanted, find
from ftcore.gc.remove import remove
from ftcore.gc.survey import Survey
from ftcore.runs import record
from ftcore.runs.directory import every
from tests.fixtures.run_folders import Folders, checkpoint, newest_whole

ROOT = Path(__file__).parents[3]
ID = "2026010{}-000000-00000"


def gc(folders, *words):
    return main(["gc", "--runs-dir", str(folders.runs), *words])


def left(folders):
    return [run.id for run in every(folders.runs)]


def test_only_on_request(folders):
    """Whole runs go by state and age, and not unless that is asked for."""
    for number, state in enumerate(("failed", "completed", "cancelled", "failed"), start=1):
        folders.make(ID.format(number), state)
    assert gc(folders, "--yes") == 0 and len(left(folders)) == 4
    assert gc(folders, "--yes", "--failed", "--older-than", "3h") == 0 and len(left(folders)) == 4
    assert gc(folders, "--failed") == 0 and len(left(folders)) == 4
    assert gc(folders, "--yes", "--failed", "--older-than", "1h") == 0
    assert left(folders) == [ID.format(2), ID.format(3)]
    assert not list(folders.runs.glob("*/.*"))


@pytest.mark.parametrize(
    "field", ["merged", "adapter/adapter_model.safetensors", "checkpoints/step_00000010", ""]
)
@pytest.mark.parametrize("key", ["model.path", "data.path"])
def test_what_another_run_leads_into_stays(folders, field, key):
    """A run stays while another one's model or data lies in it, through links and relative paths too."""
    used = folders.make(ID.format(1))
    checkpoint(used, 10)
    link = folders.runs.parent / "link"
    link.symlink_to(used.path / field)
    for number, path in enumerate(
        (str(used.path / field), "link", f"runs/x/../x/{used.id}/{field}"), start=2
    ):
        user = folders.make(ID.format(number), config={key: path})
        assert gc(folders, "--yes", "--state", "completed", "--keep", "checkpoints") == 0
        assert left(folders) == [used.id], path
        del user
        folders.make(ID.format(number), "failed", config={key: path})
        assert gc(folders, "--yes", "--state", "completed") == 0
        assert left(folders) == [used.id, ID.format(number)], path
        assert used.checkpoints.joinpath("step_00000010").exists() is (
            field in ("", "checkpoints/step_00000010")
        )
        checkpoint(used, 10) if not used.checkpoints.joinpath("step_00000010").exists() else None
        assert gc(folders, "--yes", "--failed") == 0


def test_what_another_run_names_stays(folders, capsys):
    """A run that another one reproduces stays, tagged ones too, and the reasons are told."""
    folders.make(ID.format(1), "failed")
    folders.make(ID.format(2), reproduces=ID.format(1))
    folders.make(ID.format(3), "failed", tags=["keep"])
    assert gc(folders, "--yes", "--failed") == 0
    assert len(left(folders)) == 3
    out = capsys.readouterr().out
    assert f"{ID.format(2)} names it" in out and "tagged keep" in out


def test_a_sweep_goes_whole_or_not(folders):
    """A run of a sweep stays as long as another one of it does."""
    for number, state in enumerate(("failed", "failed", "completed"), start=1):
        folders.make(ID.format(number), state, sweep="s1")
    assert gc(folders, "--yes", "--failed") == 0 and len(left(folders)) == 3
    assert gc(folders, "--yes", "--state", "failed,completed") == 0 and left(folders) == []


def test_resumed_meanwhile(folders):
    """A run that went on between look and removal stays."""
    run = folders.make(ID.format(1), "failed")
    survey = Survey(folders.runs)
    candidates = find(
        survey, Wanted(kinds=frozenset({"runs"}), states=("failed",)), lambda _: None
    ).candidates
    record.begin_attempt(run)
    record.end_attempt(run, "completed", "")
    assert "meanwhile" in remove(candidates[0], survey)
    assert left(folders) == [run.id]


PARTS = ["merged", "checkpoints/step_00000001", ""]
RUNS = st.lists(
    st.fixed_dictionaries({
        "state": st.sampled_from(["completed", "failed", "cancelled", "preempted", "created"]),
        "checkpoints": st.lists(st.booleans(), max_size=4),
        "uses": st.none() | st.tuples(st.integers(0, 4), st.sampled_from(PARTS)),
        "reproduces": st.none() | st.integers(0, 4),
        "keep": st.booleans(),
        "weights": st.booleans(),
    }),
    min_size=1, max_size=5,
)  # fmt: skip
FLAGS = st.lists(
    st.sampled_from([["--failed"], ["--state", "completed,cancelled"], ["--older-than", "1h"]]), max_size=2
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=RUNS, flags=FLAGS)
def test_nothing_that_is_needed_goes(made, runs, flags, capsys):
    """Whatever folders and flags: last good checkpoints, what others point at and what is kept stay."""
    with tempfile.TemporaryDirectory() as root:
        folders = Folders(Path(root) / "runs", made)
        paths = [folders.runs / "x" / ID.format(number) for number in range(len(runs))]
        all_made, before, used = [], [], []
        for number, one in enumerate(runs):
            config = {}
            if one["uses"] and one["uses"][0] < len(runs) and one["uses"][0] != number:
                config = {"model.path": str(paths[one["uses"][0]] / one["uses"][1])}
            reproduces = ID.format(one["reproduces"]) if one["reproduces"] not in (None, number) else None
            run = folders.make(ID.format(number), one["state"], config=config, reproduces=reproduces,
                               tags=["keep"] if one["keep"] else [])  # fmt: skip
            for step, whole in enumerate(one["checkpoints"], start=1):
                checkpoint(run, step, whole)
            if one["state"] == "completed" and not one["weights"]:
                (run.adapter / "adapter_model.safetensors").unlink()
            all_made.append(run)
        for number, one in enumerate(runs):
            before.append(newest_whole(all_made[number]))
            if one["uses"] and one["uses"][0] < len(runs) and one["uses"][0] != number:
                used.append((number, paths[one["uses"][0]] / one["uses"][1]))
        used = [(number, path) for number, path in used if path.exists()]
        assert gc(folders, "--yes", *[word for flag in flags for word in flag]) == 0
        capsys.readouterr()
        there = {number for number, run in enumerate(all_made) if run.record.exists()}
        for number, path in used:
            assert path.exists() or number not in there
        for number, one in enumerate(runs):
            named = [other for other in there if other != number and runs[other]["reproduces"] == number]
            assert number in there or not (one["keep"] or named or one["state"] == "created")
            complete = one["state"] == "completed" and one["weights"]
            if number in there and (not complete or one["keep"]):
                assert newest_whole(all_made[number]) == before[number]
        assert gc(folders, "--yes", *[word for flag in flags for word in flag]) == 0
        assert not list(folders.runs.rglob(".gone.*"))


SLOW = """
import sys, time
import ftcore.gc.leftovers as leftovers
real = leftovers.delete
def delete(path):
    print("deleting", flush=True)
    time.sleep(float(sys.argv[1]))
    real(path)
leftovers.delete = delete
from ftcore.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


def test_killed_and_started_again(folders):
    """gc killed at its first, second, ... removal: whatever is half gone goes the next time, and no other."""
    for number in range(1, 5):
        run = folders.make(ID.format(number), "failed" if number == 4 else "completed")
        checkpoint(run, 10)
        checkpoint(run, 20)
    words = ["gc", "--yes", "--failed", "--runs-dir", str(folders.runs)]
    for kill_after in (1, 2, 3):
        command = [sys.executable, "-c", SLOW, "0.05", *words]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(kill_after):
                process.stdout.readline()
            process.kill()
        for run in every(folders.runs):
            record.read(run)
    deadline = time.monotonic() + 60
    assert main(words) == 0 and time.monotonic() < deadline
    assert left(folders) == [ID.format(number) for number in (1, 2, 3)]
    assert not list(folders.runs.rglob(".gone.*"))
    for run in every(folders.runs):
        assert list(run.checkpoints.iterdir()) == []
        gone = {one["path"] for one in record.read(run)["removed"]}
        assert gone == {"checkpoints/step_00000010", "checkpoints/step_00000020"}
