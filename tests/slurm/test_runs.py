"""Runs on a real Slurm: submitted at once, frozen, found again, followed, cancelled."""

import shutil
import time
from pathlib import Path

import pytest

import ftcore
from ftcore.runs import record
from tests.slurm.runs import Site, job, losses, wait_for

pytestmark = pytest.mark.slurm


@pytest.fixture
def site(slurm, tiny, tmp_path) -> Site:
    return Site(slurm, tiny, tmp_path / "runs")


def test_two_by_two(site):
    """Four ranks on two nodes train to the end; every rank's log is there, and so is the way back."""
    begin = time.monotonic()
    answer = site.ftcore(*site.words(2, 2))
    took = time.monotonic() - begin
    assert answer.code == 0, answer.err
    for said in ("attempt 1", "queued", "status", "logs", "cancel"):
        assert said in answer.out
    assert took < 20  # a person waits for it; bench/ measures it
    entry = site.ftcore("ls", "--json", f"runs_dir={site.runs}").json[0]
    run = next(site.runs.glob(f"*/{entry['run']}"))
    from ftcore.runs.directory import RunDirectory

    run = RunDirectory(run)
    ended = site.ended(run)
    assert ended["state"] == "completed" and [step for step, _ in losses(run)] == [1, 2, 3, 4]
    assert sorted(path.name for path in run.attempt(1).glob("rank*.out")) == [
        f"rank{n}.out" for n in range(4)
    ]
    assert ended["attempts"][0]["nodes"] == ["node01", "node02"]
    told = site.ftcore("status", run.id, "--runs-dir", site.runs)
    assert "completed" in told.out and told.code == 0
    assert "rank0.out" in site.ftcore("logs", run.id, "--runs-dir", site.runs).out
    site.cluster.wait_state(job(run), "COMPLETED")


def test_edits_after_submission_change_nothing(site, tmp_path):
    """A queued job runs the code and the configuration that were submitted."""
    source = Path(ftcore.__file__).parents[1]
    checkout = tmp_path / "checkout"
    for name in ("ftcore", "launchers", "conf"):
        shutil.copytree(source / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    held = site.ftcore(
        *site.words(1, 1), "cluster.sbatch=['--hold']", "--json", cwd=checkout, PYTHONPATH=str(checkout)
    )
    assert held.code == 0, held.err
    entry = held.json
    from ftcore.runs.directory import RunDirectory

    run = RunDirectory(site.runs / entry["name"] / entry["id"])
    assert entry["launch"]["job_id"]
    (checkout / "ftcore" / "worker.py").write_text("raise SystemExit('edited after submission')\n")
    (checkout / "ftcore" / "batch.py").write_text("raise SystemExit('edited after submission')\n")
    for file in (checkout / "conf").rglob("*.yaml"):
        file.write_text("broken: [\n")
    site.cluster.run("scontrol", "release", job(run))
    assert site.ended(run)["state"] == "completed"


def test_cancel_while_queued(site):
    """Taken back at once, with nothing left in the queue; resume goes on with it."""
    run = site.submit(1, 1, cluster__sbatch="['--hold']")
    answer = site.ftcore("cancel", run.id, "--runs-dir", site.runs)
    assert answer.code == 0 and "cancelled" in answer.out
    assert record.read(run)["state"] == "cancelled"
    site.cluster.wait_gone(job(run))
    again = site.ftcore("cancel", run.id, "--runs-dir", site.runs)
    assert again.code == 2 and "it is cancelled" in again.err


@pytest.mark.slow
def test_cancel_while_running(site):
    """The step is finished and saved; resume makes the same losses as an undisturbed run."""
    run = site.submit(2, 1, max_steps=300, checkpoint__every=50)
    site.at_step(run, 20)
    assert site.ftcore("cancel", run.id, "--runs-dir", site.runs).code == 0
    entry = site.ended(run)
    assert entry["state"] == "cancelled" and len(losses(run)) < 300
    resumed = site.ftcore("resume", run.id, "--runs-dir", site.runs, "--wait")
    assert resumed.code == 0, resumed.err
    whole = site.submit(2, 1, max_steps=300)
    assert site.ended(whole)["state"] == "completed"
    assert losses(run) == losses(whole)


def test_still_queued_is_not_resumed(site):
    """A second job beside the first would write into the same run."""
    run = site.submit(1, 1, cluster__sbatch="['--hold']")
    answer = site.ftcore("resume", run.id, "--runs-dir", site.runs)
    assert answer.code == 2 and "still queued" in answer.err
    site.ftcore("cancel", run.id, "--runs-dir", site.runs)


@pytest.mark.slow
def test_wait_follows_to_the_end(site):
    """`--wait` ends with the run, with its exit code."""
    answer = site.ftcore(*site.words(1, 1), "--wait", "--json")
    assert answer.code == 0 and answer.json["state"] == "completed"


WRONG = {
    "partition": (["cluster.partition=norml"], "cluster.partition", "did you mean normal?"),
    "gres": (["cluster.gres=dcu:9"], "cluster:", "dcu:4"),
    "nodes": (["nodes=40"], "cluster:", "6 nodes of up to"),
    "account": (["cluster.account=nobody"], "cluster.account", "Invalid account"),
    "qos": (["cluster.qos=nothing"], "cluster.qos", "Invalid qos"),
    "constraint": (["cluster.constraint=fast"], "cluster.constraint", "Invalid feature"),
    "time": (["cluster.time=90-00:00:00"], "cluster.time", "over the partition's limit"),
}


@pytest.mark.parametrize("case", WRONG)
def test_refused_before_anything_is_made(site, case):
    """Slurm is asked first: the key is named, nothing is queued and no run directory is left."""
    words, key, said = WRONG[case]
    answer = site.ftcore(*site.words(2, 1), *words)
    assert answer.code == 2 and key in answer.err and said in answer.err, answer.err
    assert not list(site.runs.glob("*/*/record.json")) and not site.cluster.squeue()


def test_no_slurm_here(site, tmp_path):
    """Without sbatch the message says so."""
    answer = site.ftcore(*site.words(1, 1), PATH=str(tmp_path))
    assert answer.code == 2 and "no sbatch on PATH" in answer.err


def test_runs_folder_that_cannot_be_written(site, tmp_path):
    """A file in the place of the folder: exit 2, nothing queued."""
    site.runs.write_text("a file")
    answer = site.ftcore(*site.words(1, 1))
    assert answer.code == 2 and "cannot write" in answer.err and not site.cluster.squeue()


def test_reference_that_means_two(site):
    """An id that two runs begin with is refused, with both."""
    first, second = (
        site.submit(1, 1, cluster__sbatch="['--hold']"),
        site.submit(1, 1, cluster__sbatch="['--hold']"),
    )
    common = first.id[:8]
    answer = site.ftcore("cancel", common, "--runs-dir", site.runs)
    assert answer.code == 2 and first.id in answer.err and second.id in answer.err
    wait_for(lambda: len(site.cluster.squeue()) == 2, 10)
