"""Points that were asked for before are not made twice: the same settings on the same data."""

import json

import pytest

from ftcore.cli import sweep
from ftcore.cli.main import main
from ftcore.config.identity import config_hash
from ftcore.repeat.same import data_key
from ftcore.sweeps.request import request
from tests.fixtures import records, sweeps


@pytest.fixture
def words(tiny, tmp_path, monkeypatch):
    """A sweep of two points on a data file of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(tiny.data.read_text())
    return [
        "lr=1e-3,2e-3",
        *[w for w in tiny.overrides(tmp_path / "runs", data__path="rows.jsonl") if "lr=" not in w],
    ]


@pytest.fixture
def asked(words, tmp_path):
    """The sweep; there is a completed run of each point."""
    asked = request(words, None)
    base = records.template(tmp_path / "base")
    for trial, entry in zip(asked.trials, records.variants(base, 2), strict=True):
        e = trial.composed.experiment
        entry |= {"config_hash": config_hash(e), "state": "completed"}
        entry["data"] |= {"cache_key": data_key(e)}
        records.write(tmp_path / "runs", iter([entry]))
    return asked


def test_same_data(asked, tmp_path):
    """Nothing is new, unless it is to be made again."""
    new, there = sweep.new_trials(asked.trials, tmp_path / "runs", again=False)
    assert new == [] and len(there) == 2
    assert len(sweep.new_trials(asked.trials, tmp_path / "runs", again=True)[0]) == 2


def test_other_data_in_the_same_file(asked, tmp_path):
    """Where the file's contents are others, all points are new."""
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write((tmp_path / "rows.jsonl").read_text().splitlines()[0] + "\n")
    new, there = sweep.new_trials(asked.trials, tmp_path / "runs", again=False)
    assert [trial.number for trial in new] == [0, 1] and there == []


def test_nothing_new_is_told(asked, words, capsys):
    """The runs there are, on the screen and as JSON."""
    assert main(["-m", *words]) == 0
    ids = [line.strip() for line in capsys.readouterr().out.splitlines()][1].split(", ")
    assert main(["-m", *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"id": None, "reused": ids} and len(ids) == 2


def test_sweep_that_lacks_nothing(tmp_path, monkeypatch, capsys):
    """resume --json of a sweep whose trials are all completed says how they stand."""
    monkeypatch.chdir(tmp_path)
    made = sweeps.make(tmp_path / "runs", sweeps.grid(lr=[1e-3, 2e-3]), lambda point: point["lr"])
    assert main(["resume", made.id, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["standing"]) == 2
