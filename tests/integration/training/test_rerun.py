"""A recorded run, made again: by its own program, to the same numbers."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ftcore
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory, every
from tests.fixtures.tiny import Finished, finish, train
from tests.fixtures.tiny import ftcore as command

PACKAGES = ("ftcore", "launchers", "conf")


@pytest.fixture(scope="module")
def original(tiny, tmp_path_factory) -> Finished:
    done = train(tiny, tmp_path_factory.mktemp("original"))
    assert done.code == 0, done.err
    return done


def test_verify(original, tmp_path):
    """The same losses and weights, in another runs folder, found by its folder's name; the record says so."""
    done = finish(command("rerun", str(original.run.path), "--verify", "--runs-dir", str(tmp_path), "--json"))
    assert done.code == 0, done.err + done.out
    told = json.loads(done.out)
    assert told["verdict"] == "identical" and told["weights"] and told["steps"] == 4
    (run,) = every(tmp_path)
    entry = record.read(run)
    assert entry["reproduces"] == original.run.id and entry["verification"]["verdict"] == "identical"
    assert entry["config_hash"] == original.record["config_hash"] and run.id == told["run"]


@pytest.mark.slow
def test_the_runs_own_program_is_used(tiny, original, tmp_path):
    """A checkout that was changed since, so that every loss would be another: the run's own code and
    configuration make the same numbers."""
    source, checkout = Path(ftcore.__file__).parents[1], tmp_path / "checkout"
    for name in PACKAGES:
        shutil.copytree(source / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    schedule = checkout / "ftcore/training/schedule.py"
    schedule.write_text("raise SystemExit('the changed program was used')\n")
    (checkout / "conf/config.yaml").write_text("broken: [\n")
    words = ["rerun", str(original.run.path), "--verify", "--runs-dir", str(tmp_path / "runs"), "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ftcore", *words], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout[done.stdout.index("{\n") :])["verdict"] == "identical"


@pytest.mark.slow
def test_other_data_is_refused(tiny, tmp_path):
    """A data file that was edited since cannot give the same numbers: said before anything runs."""
    data = tmp_path / "chats.jsonl"
    shutil.copy(tiny.data, data)
    first = train(tiny, tmp_path / "runs", data__path=data)
    assert first.code == 0, first.err
    lines = data.read_text().splitlines(keepends=True)
    data.write_text("".join(lines[1:]))
    words = ("rerun", first.run.id, "--runs-dir", str(tmp_path / "runs"))
    done = finish(command(*words))
    assert done.code == 1 and str(data) in done.err and "--force" in done.err
    assert len(list(every(tmp_path / "runs"))) == 1
    forced = finish(command(*words, "--force", "--verify"))
    assert forced.code == 1 and "different" in forced.out, forced.out + forced.err


@pytest.mark.slow
def test_asked_again(tiny, original):
    """The same experiment again: shown, not made; another learning rate is another experiment; `--again`
    makes it; data that changed is another experiment too."""
    runs = original.run.path.parents[1]
    again = finish(command(*tiny.overrides(runs)))
    assert again.code == 0 and original.run.id in again.out and "--again" in again.out
    as_json = finish(command(*tiny.overrides(runs), "--json"))
    assert json.loads(as_json.out)["id"] == original.run.id
    assert len(list(every(runs))) == 1
    other = finish(command(*tiny.overrides(runs, lr=0.02)))
    assert other.code == 0 and other.run.id != original.run.id
    assert train(tiny, runs).run.id not in (original.run.id, other.run.id)
    assert len(list(every(runs))) == 3


@pytest.mark.slow
def test_unfinished_is_gone_on_with(tiny, original, tmp_path):
    """Asked again, a run that was cancelled goes on instead of a new one beginning."""
    run = RunDirectory(tmp_path / "tiny" / original.run.id)
    shutil.copytree(original.run.path, run.path)
    run.trained.unlink()
    shutil.rmtree(run.adapter)
    shutil.rmtree(run.merged)
    shutil.rmtree(sorted(run.checkpoints.glob("step_*"))[-1])
    record.update(run, lambda entry: entry.update(state="cancelled"))
    done = finish(command(*tiny.overrides(tmp_path)))
    assert done.code == 0 and "goes on with run" in done.out, done.out + done.err
    assert [one.id for one in every(tmp_path)] == [run.id]
    assert len(record.read(run)["attempts"]) == 2 and run.merged.is_dir()


def test_unknown_and_unfinished(original, tmp_path):
    """A run that is not there, and one that never ended: refused, exit 2, nothing made."""
    nothing = finish(command("rerun", "2099", "--runs-dir", str(tmp_path)))
    assert nothing.code == 2 and "no such run" in nothing.err
    run = RunDirectory(tmp_path / "tiny" / original.run.id)
    shutil.copytree(original.run.path, run.path)
    record.update(run, lambda entry: entry.update(state="failed"))
    done = finish(command("rerun", run.id, "--verify", "--runs-dir", str(tmp_path)))
    assert done.code == 2 and "is failed" in done.err and len(list(every(tmp_path))) == 1


def test_restored(original, tmp_path):
    """`--to` gives the program and the configuration, and nothing is started."""
    folder = tmp_path / "restored"
    done = finish(command("rerun", str(original.run.path), "--to", str(folder)))
    assert (
        done.code == 0 and (folder / "ftcore/worker.py").is_file() and (folder / "conf/config.yaml").is_file()
    )
    assert (folder / "config.yaml").read_bytes() == original.run.config.read_bytes()
    again = finish(command("rerun", str(original.run.path), "--to", str(folder)))
    assert again.code == 2 and "not empty" in again.err


def test_show_and_diff(original):
    """Facts, parts and differences from a real record; a misspelt key gets the nearest one."""
    folder = str(original.run.path)
    shown = finish(command("show", folder))
    assert shown.code == 0 and original.record["config_hash"][:16] in shown.out
    part = finish(command("show", folder, "optim.lr", "results.final_loss", "--json"))
    assert json.loads(part.out)["optim.lr"] == 0.01
    wrong = finish(command("show", folder, "optim.lrr"))
    assert wrong.code == 2 and "optim.lr" in wrong.err
    same = finish(command("diff", folder, folder))
    assert same.code == 0 and "nothing differs" in same.out
    few = finish(command("diff", folder))
    assert few.code == 2 and "2 runs are needed" in few.err


def test_what_the_record_holds(original):
    """Program, environment without secrets, the machine: enough to say what happened."""
    entry, run = original.record, original.run
    assert run.source_archive.is_file() and len(entry["code"]["source_sha256"]) == 64
    assert entry["config"]["optim"]["lr"] == 0.01 and entry["environment"]["lock_sha256"]
    attempt = entry["attempts"][0]
    (facts,) = attempt["machines"].values()
    assert facts["cpus"] >= 1 and facts["memory_gib"] > 0 and facts["host"] == os.uname().nodename
    variables = json.loads((run.attempt(1) / "environment.json").read_text())
    assert variables["OMP_NUM_THREADS"] == "1"
