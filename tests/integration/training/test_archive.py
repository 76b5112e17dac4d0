"""A real run, exported and imported elsewhere: everything that looks at runs works on it there."""

import json

import pytest

from ftcore.cli.main import main
from ftcore.training.checkpoint_files import every as checkpoints
from tests.fixtures.run_folders import tree

LEFT_OUT = (".pkl", ".pyc", ".tmp")


@pytest.mark.slow
def test_there_and_back(run_of, tmp_path, monkeypatch, capfd):
    """The files are the same; logs, report, status, show and ls answer; gc takes nothing that is missed."""
    run, there, archive = run_of().run, tmp_path / "there", tmp_path / "run.tar"
    assert main(["export", str(run.path), "--weights", "--checkpoints", "--to", str(archive)]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["import", str(archive), "--runs-dir", str(there)]) == 0
    came = there / run.name / run.id
    expected = {name: data for name, data in tree(run.path).items() if not name.endswith(LEFT_OUT)}
    assert tree(came) == expected
    capfd.readouterr()
    for words in (["logs", "last"], ["report", "last"], ["status", "last"], ["show", "last"], ["ls"]):
        assert main([*words, "--runs-dir", str(there)]) == 0 and capfd.readouterr().out, words
    assert main(["gc", "--yes", "--json", "--runs-dir", str(there)]) == 0
    told = json.loads(capfd.readouterr().out)
    assert {one["kind"] for one in told["found"]} == {"checkpoints"}
    assert checkpoints(came / "checkpoints") == [] and checkpoints(run.checkpoints) != []
    assert main(["resume", str(came)]) == 0 and "nothing is missing" in capfd.readouterr().out
    assert main(["report", str(came)]) == 0
