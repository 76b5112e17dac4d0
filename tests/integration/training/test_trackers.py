"""A real run with each tracker, read back with the tracker's own reader; and trackers that do not work."""

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from ftcore.config.nested import flat
from ftcore.runs import metrics
from ftcore.runs.files import read_json
from tests.fixtures import tracker_readers as read
from tests.fixtures.tiny import again_from_older

STAGES = {"prepare", "train", "export", "merge"}
SLOW = pytest.mark.slow


def tracked(done):
    """The points that the run's curves should have, and the id in `tracker.json`; nothing went wrong."""
    assert done.record["state"] == "completed" and done.record["attempts"][-1].get("warnings") is None
    points = {
        (name, line["step"]): value
        for line in metrics.read(done.run.metrics)
        for name, value in line.items()
        if name not in ("step", "time") and value is not None
    }
    return pytest.approx(points), read_json(done.run.path / "tracker.json")["id"]


def steps_alone(curves):
    """Points of the curves without stages and evaluation, which a run has at its end; each is there once."""
    kept = [(name, *point) for name, points in curves.items() for point in points if "/" not in name]
    points = {(name, step): value for name, step, value in kept if name != "step"}
    assert len(points) == len([name for name, _, _ in kept if name != "step"])
    return points


@pytest.mark.slow
def test_mlflow(run_of):
    """Parameters, every step's figures, stages, files and what leads back to the run, in one SQLite file."""
    done = run_of(tracker="mlflow")
    expected, run_id = tracked(done)
    runs = done.run.path.parents[1]
    curves, client = read.mlflow(runs, run_id), read.mlflow_client(runs)
    assert steps_alone(curves) == expected
    assert {name.split("/")[1] for name in curves if name.startswith("stage/")} == STAGES
    there = client.get_run(run_id)
    assert (there.info.status, there.info.run_name) == ("FINISHED", done.run.id)
    assert there.data.tags["run_id"] == done.run.id
    assert there.data.tags["config_hash"] == done.record["config_hash"]
    config = flat(done.record["config"])
    assert there.data.params["lora.rank"] == str(config["lora.rank"])
    assert set(there.data.params) >= {name for name, value in config.items() if value != {}}
    assert client.get_experiment(there.info.experiment_id).name == "tiny"
    names = {file.path for folder in (None, "adapter") for file in client.list_artifacts(run_id, folder)}
    assert {"report.html", "record.json", "artifacts.json", "adapter/adapter_model.safetensors"} <= names
    uploaded = Path(client.download_artifacts(run_id, "adapter/adapter_model.safetensors"))
    assert uploaded.read_bytes() == (done.run.adapter / "adapter_model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_tracker_changes_no_number(run_of):
    """The same losses to the bit, and the same experiment."""
    with_tracker, without = run_of(tracker="mlflow"), run_of()
    assert with_tracker.sequence("loss", "lr", "grad_norm") == without.sequence("loss", "lr", "grad_norm")
    assert with_tracker.record["config_hash"] == without.record["config_hash"]
    assert not (without.run.path / "tracker.json").exists()


@SLOW
def test_mlflow_goes_on_in_the_same_run(run_of, tmp_path):
    """A resumed run is the same one there; steps that were repeated are there twice, as MLflow keeps all."""
    done = again_from_older(run_of(tracker="mlflow", checkpoint__every=2).run, tmp_path)
    assert done.code == 0, done.err
    # The copy's configuration still has the first one's runs_dir.
    runs = Path(done.record["config"]["runs_dir"])
    _, run_id = tracked(done)
    steps = [step for step, _ in read.mlflow(runs, run_id)["loss"]]
    assert sorted(steps) == [1, 2, 3, 3, 4, 4]
    assert read.mlflow_client(runs).get_run(run_id).info.status == "FINISHED"


@SLOW
def test_tensorboard_and_its_resumption(run_of, tmp_path):
    """Every step's figures; after a resumption each step once, as the newest attempt had it."""
    first = run_of(tracker="tensorboard", checkpoint__every=2)
    for done in (first, again_from_older(first.run, tmp_path)):
        expected, _ = tracked(done)
        curves = read.tensorboard(done.run.path / "tensorboard")
        assert steps_alone(curves) == expected
        assert "stage/train/final_loss" in curves
    assert len(list((done.run.path / "tensorboard").iterdir())) == 2


@SLOW
def test_wandb_offline_and_its_resumption(run_of, tmp_path):
    """A file for `wandb sync`; a resumed run leaves a second one of the same id."""
    first = run_of(tracker="wandb", checkpoint__every=2)
    expected, run_id = tracked(first)
    assert run_id == first.run.id
    (file,) = first.run.path.glob("wandb/offline-run-*/*.wandb")
    run, curves, config, summary = read.wandb(file)
    assert (run.run_id, run.display_name, run.project, run.run_group) == (run_id, run_id, "tiny", "tiny")
    assert steps_alone(curves) == expected
    assert config["lora"]["rank"] == 4 and config["run"]["run_id"] == run_id
    assert any(path.startswith("adapter/") for path in json.dumps(summary).split('"'))
    assert {"report.html", "record.json"} <= {path.name for path in (file.parent / "files").iterdir()}
    assert not list(file.parent.rglob("*.py"))
    resumed = again_from_older(first.run, tmp_path)
    tracked(resumed)
    files = sorted(resumed.run.path.glob("wandb/offline-run-*/*.wandb"))
    assert [file.name for file in files] == [f"run-{run_id}.wandb"] * 2
    newest = read.wandb(max(files, key=lambda path: path.stat().st_mtime))
    assert [step for step, _ in newest[1]["loss"]] == [3, 4]


@SLOW
def test_swanlab_offline_and_its_resumption(run_of, tmp_path):
    """A file for `swanlab sync`; a resumed run leaves a second one of the same id."""
    first = run_of(tracker="swanlab", checkpoint__every=2)
    expected, run_id = tracked(first)
    (file,) = first.run.path.glob("swanlab/run-*/*.swanlab")
    start, curves = read.swanlab(file)
    assert (start.id, start.name, start.project, start.group) == (run_id, run_id, "tiny", "tiny")
    assert steps_alone(curves) == expected
    assert "rank" in (file.parent / "files" / "config.yaml").read_text()
    resumed = again_from_older(first.run, tmp_path)
    tracked(resumed)
    starts = {read.swanlab(file)[0].id for file in resumed.run.path.glob("swanlab/run-*/*.swanlab")}
    assert starts == {run_id} and len(list(resumed.run.path.glob("swanlab/run-*"))) == 2


def warnings_of(done):
    """A run that ended well, and what it was warned of."""
    assert done.code == 0 and done.record["state"] == "completed", done.err
    assert len(metrics.read(done.run.metrics)) == 4 and done.run.merged.is_dir()
    return done.record["attempts"][-1]["warnings"]


@SLOW
def test_no_server_there(run_of):
    """A server that refuses is one warning."""
    (warning,) = warnings_of(run_of(tracker="mlflow", tracker__uri="http://127.0.0.1:9"))
    assert warning.startswith("tracker mlflow")


@SLOW
def test_a_server_that_never_answers(run_of):
    """It takes connections and says nothing: the run waits the time that it was told to, and no step does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        done = run_of(tracker="mlflow", tracker__uri=uri, tracker__flush_seconds=2)
    assert warnings_of(done) == ["tracker mlflow did not take the rest within 2 s; steps up to 0 are there"]
    assert time.time() - done.run.report.stat().st_mtime < 60


@SLOW
@pytest.mark.parametrize("broken", ["raise ConnectionError('gone')", "import os; os._exit(7)"])
def test_a_backend_that_fails_at_a_step(run_of, tmp_path, monkeypatch, broken):
    """Raising, or taking its process with it: one warning, and the run is whole."""
    package = tmp_path / "swanlab" / "integration"
    package.mkdir(parents=True)
    (tmp_path / "swanlab" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "mmengine.py").write_text(
        "from mmengine.registry import VISBACKENDS\n"
        "from mmengine.visualization.vis_backend import LocalVisBackend\n"
        "@VISBACKENDS.register_module()\n"
        "class SwanlabVisBackend(LocalVisBackend):\n"
        "    def __init__(self, save_dir, init_kwargs): super().__init__(save_dir)\n"
        f"    def add_scalars(self, values, step): {broken}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    project = f"p{len(broken)}"  # another run for each
    (warning,) = warnings_of(run_of(tracker="swanlab", tracker__project=project))
    told = "is left out: ConnectionError: gone" if "raise" in broken else "ended with exit code 7"
    assert told in warning


def _accept(server):
    held = []
    while True:
        try:
            held.append(server.accept())
        except OSError:
            return
