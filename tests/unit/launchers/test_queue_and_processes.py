"""What Slurm and this machine say of many jobs at once."""

import os
import subprocess
import sys

import pytest

from launchers import slurm_queue
from launchers.local import is_alive
from launchers.local_processes import running


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """`slurm(squeue=..., sacct=...)`: programs of these shell lines; each call adds a line to `calls`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def make(**programs):
        for name, lines in programs.items():
            program = tmp_path / name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{lines}\n')
            program.chmod(0o755)
        return tmp_path / "calls"

    return make


def test_states_of_many(slurm):
    """One squeue for all, one sacct for those it has forgotten; unknown to both is GONE."""
    calls = slurm(
        squeue='echo "1|RUNNING"; echo "2_3|PENDING"',
        sacct='echo "4|CANCELLED by 1000"; echo "5|PREEMPTED"; echo "5|COMPLETED"',
    )
    assert slurm_queue.states(["1", "2_3", "4", "5", "6"]) == {
        "1": "RUNNING", "2_3": "PENDING", "4": "CANCELLED", "5": "COMPLETED", "6": "GONE",
    }  # fmt: skip
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["squeue", "sacct"]


def test_nothing_to_ask_of_accounting(slurm):
    """Where the queue knows all, accounting is left alone."""
    calls = slurm(squeue='echo "1|RUNNING"', sacct="exit 1")
    assert slurm_queue.state("1") == "RUNNING"
    assert "sacct" not in calls.read_text()


def test_forgotten_by_both(slurm):
    """squeue fails of a single job that it has forgotten; without accounting that is all there is to know."""
    slurm(squeue="echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", sacct="exit 1")
    assert slurm_queue.state("1") == slurm_queue.GONE


@pytest.mark.parametrize("squeue", ["exit 1", "sleep 30", None])
def test_no_answer_is_no_end(slurm, squeue):
    """A controller that is down, one that hangs, and no Slurm at all: the job may still run."""
    if squeue:
        slurm(squeue=squeue)
    else:
        slurm(squeue="").with_name("squeue").unlink()
        os.environ["PATH"] = str(slurm().parent)
    assert slurm_queue.states(["1"], patience=0.3) == {}
    assert squeue == "sleep 30" or slurm_queue.state("1") in slurm_queue.OPEN


def test_very_many(slurm):
    """Thousands of ids are asked for in parts, none of them twice."""
    calls = slurm(squeue="echo", sacct="echo")
    ids = [str(number) for number in range(1200)]
    assert slurm_queue.states(ids) == dict.fromkeys(ids, "GONE")
    assert len(calls.read_text().splitlines()) == 6


@pytest.fixture
def job(tmp_path):
    """A process group whose command line names a run."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path / "run-7")], start_new_session=True
    )
    yield process
    process.kill()
    process.wait()


def test_running_jobs(job, tmp_path):
    """A job runs if a process of its group names the run; another's process of that id is not it."""
    wanted = {(str(job.pid), "run-7"), (str(job.pid), "run-8"), ("999999999", "run-7"), ("x", "run-7")}
    assert running(wanted) == {(str(job.pid), "run-7")}
    assert is_alive(str(job.pid), tmp_path / "run-7") and not is_alive(None, tmp_path / "run-7")
    job.kill()
    job.wait()
    assert running(wanted) == set()


def test_none_to_look_for(monkeypatch):
    """Without open runs nobody looks at the processes."""
    monkeypatch.setattr("psutil.pids", lambda: pytest.fail("looked"))
    assert running([]) == running([("no-pid", "run")]) == set()
