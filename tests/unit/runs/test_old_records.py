"""Records that older versions wrote can be read by this one."""

import json
import shutil
from pathlib import Path

import pytest

from ftcore.cli.main import main
from ftcore.config.compose import load
from ftcore.repeat.compare import differences
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, write_json

OLD = Path(__file__).parents[2] / "fixtures" / "records"


@pytest.fixture(params=sorted(path.name for path in OLD.iterdir()))
def run(request, tmp_path) -> RunDirectory:
    """A run directory of that schema version, as it was written."""
    entry = json.loads((OLD / request.param / "record.json").read_text())
    run = RunDirectory(tmp_path / entry["name"] / entry["id"])
    shutil.copytree(OLD / request.param, run.path)
    assert entry["schema_version"] == int(request.param)
    return run


def test_read(run):
    """What this version's readers expect is there, and what was written is still what was written."""
    written, entry = read_json(run.record), record.read(run)
    assert entry["schema_version"] == record.SCHEMA_VERSION
    assert entry["config"]["optim"]["lr"] == 0.001 and entry["tags"] == [] and entry["reproduces"] is None
    for key in ("id", "state", "config_hash", "overrides", "attempts", "stages", "results", "data"):
        assert entry[key] == written[key]


def test_configuration_loads(run):
    """The frozen configuration is an experiment of this version."""
    e = load(run.config)
    assert e.optim.lr == 0.001 and e.tracker.kind == "none"


def test_update_writes_the_new_form(run):
    """The next change brings it up to date on disk."""
    record.update(run, lambda entry: entry["tags"].append("kept"))
    entry = read_json(run.record)
    assert entry["schema_version"] == record.SCHEMA_VERSION and entry["tags"] == ["kept"]


@pytest.mark.parametrize("command", ["ls", "show", "status", "report", "diff"])
def test_commands(run, command, capsys):
    """Every command that reads records does."""
    words = {"ls": [], "diff": [run.id, run.id]}.get(command, [run.id])
    assert main([command, *words, "--runs-dir", str(run.path.parents[1])]) == 0
    assert capsys.readouterr().err == ""


def test_beside_a_new_one(run, tmp_path):
    """An old and a new record are compared."""
    other = RunDirectory(tmp_path / "new" / "x")
    other.path.mkdir(parents=True)
    entry = record.read(run)
    entry["config"]["optim"]["lr"] = 0.5
    write_json(other.record, entry)
    assert differences([run, other])["config"] == {"optim.lr": [0.001, 0.5]}


def test_of_a_newer_version(run):
    """A record of a later schema is shown as far as it is understood."""
    entry = record.read(run) | {"schema_version": record.SCHEMA_VERSION + 1, "unheard_of": {"a": 1}}
    write_json(run.record, entry)
    assert record.read(run)["unheard_of"] == {"a": 1}
