"""Each target as a person types it: defaults of conf/ compose, and `--print`, `--json` and `--down` work."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ftcore.cli.main import main
from ftcore.deploy.target import MODULES
from tests.fixtures.served_runs import folders, small_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return folders(tmp_path_factory.mktemp("targets"))


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ONEAPI_ACCESS_TOKEN", "ONEAPI_CHANNEL_KEY", "XINFERENCE_PASSWORD", "XINFERENCE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return small_run(replace(made, runs=Path("runs").absolute()))


@pytest.mark.parametrize("kind", ["fastgpt", "stack", "vllm", "lmdeploy"])
def test_made_and_taken_back(run, kind, capsys):
    """What --json tells has a model and an address; --print makes nothing; --down leaves no state."""
    words = ["deploy", run.id, f"deploy={kind}", "deploy.model_name=mine"]
    assert main([*words, "--print"]) == 0 and "mine" in capsys.readouterr().out
    assert main([*words, "--print", "--json"]) == 0
    assert "mine" in json.loads(capsys.readouterr().out)["preview"]
    assert not (run.path / "deploy").exists() and not Path("stack").exists()
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "mine" and {"run", "target", "url"} <= {*told}
    assert main([*words, "--down"]) == 0 and not [*(run.path / "deploy").glob("*.json")]


@pytest.mark.parametrize(
    ("kind", "missing"), [("oneapi", "ONEAPI_ACCESS_TOKEN"), ("xinference", "no answer")]
)
def test_what_needs_a_server(run, kind, missing, capsys):
    """Without a server or a token: a line, no traceback, nothing made."""
    code = main(["deploy", run.id, f"deploy={kind}", "deploy.server=http://127.0.0.1:9"])
    said = capsys.readouterr().err
    assert code in (1, 2) and missing in said and "Traceback" not in said
    assert not (run.path / "deploy").exists()


def test_every_target_has_its_defaults(made):
    """A choice of the group for each module."""
    conf = Path(__file__).parents[3] / "conf" / "deploy"
    assert {path.stem for path in conf.glob("[a-z]*.yaml")} == {"none", *MODULES}


def test_a_run_without_merged_weights(run, capsys):
    """Nothing to serve: every target says so the same way."""
    shutil.rmtree(run.merged)
    assert main(["deploy", run.id, "deploy=vllm"]) == 2
    assert "merged" in capsys.readouterr().err
