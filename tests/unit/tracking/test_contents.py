"""What of a run goes to a tracker."""

import json

from ftcore.runs.directory import RunDirectory
from ftcore.tracking.contents import hashes, identity, outcome, step_scalars
from ftcore.tracking.files import NewLines, Sent, read_sent, uploads, write_sent

RECORD = {
    "id": "20261124-124654-383e3", "name": "tiny", "config_hash": "ab", "code": {"commit": None},
    "state": "completed",
    "stages": [
        {"name": "train", "seconds": 3.0, "detail": {"steps": 4, "final_loss": 0.5, "note": "x", "ok": True}},
        {"name": "merge", "seconds": None, "detail": {}},
    ],
    "results": {"evaluation": {"base": {"right": 0, "by": {"multiple": 0.1}}, "tuned": {"right": 8}}},
    "artifacts": [{"path": "adapter/a", "sha256": "12"}],
}  # fmt: skip


def test_a_step_has_its_numbers_alone():
    """Neither the step itself, nor what is unknown."""
    line = {"step": 3, "loss": 0.5, "grad_norm": None, "tokens": 7, "time": 1.0}
    assert step_scalars(line) == {"loss": 0.5, "tokens": 7}


def test_outcome_names_stage_and_side():
    """Numbers of stages and of both sides of the evaluation, by paths."""
    assert outcome(RECORD) == {
        "stage/train/seconds": 3.0, "stage/train/steps": 4, "stage/train/final_loss": 0.5,
        "evaluation/base/right": 0, "evaluation/base/by/multiple": 0.1, "evaluation/tuned/right": 8,
    }  # fmt: skip


def test_a_run_that_failed_early_has_no_outcome():
    """No stage and no result is no error."""
    assert outcome({"stages": [], "results": {}}) == {}


def test_identity_and_hashes():
    """What leads back to the run; what is unknown is left out."""
    assert identity(RECORD, "/runs/x") == {
        "run_id": RECORD["id"], "run_name": "tiny", "config_hash": "ab", "run_directory": "/runs/x",
    }  # fmt: skip
    assert hashes(RECORD) == {"adapter/a": "12"}


def test_new_lines_are_read_once_and_whole(tmp_path):
    """A line counts when it is complete; a file that is not there yet has none."""
    path = tmp_path / "metrics.jsonl"
    lines = NewLines(path)
    assert list(lines) == []
    path.write_text('{"step": 1}\n{"st')
    assert list(lines) == [{"step": 1}] and list(lines) == []
    path.write_text('{"step": 1}\n{"step": 2}\n')
    assert list(lines) == [{"step": 2}] and list(lines) == []


def test_uploads_fit_into_the_limit(tmp_path):
    """Report and record first; what does not fit is passed over, what follows may still fit."""
    run = RunDirectory(tmp_path)
    run.adapter.mkdir()
    sizes = {"report.html": 400, "record.json": 300, "adapter/a.bin": 900, "adapter/b.json": 100}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    names = [path.relative_to(tmp_path).as_posix() for path in uploads(run, 0.001)]
    assert names == ["report.html", "record.json", "adapter/b.json"]
    assert uploads(run, 0) == [] and len(uploads(run, 1)) == 4


def test_tracker_json(tmp_path):
    """What was sent is found again; nothing was, where there is no file."""
    run = RunDirectory(tmp_path)
    assert read_sent(run) == Sent()
    write_sent(run, Sent("mlflow", "12", 4))
    assert read_sent(run) == Sent("mlflow", "12", 4)
    assert json.loads((tmp_path / "tracker.json").read_text()) == {"kind": "mlflow", "id": "12", "step": 4}
