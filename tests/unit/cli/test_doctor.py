"""`ftcore doctor` as it is typed."""

import json

import pytest

from ftcore.cli.main import main
from ftcore.doctor import deep, packages
from ftcore.doctor import slurm as doctor_slurm
from ftcore.hardware.software import version

PROBED = {
    "seconds": 1.0, "version": "2.11.0+cu130", "cuda": "13.0", "hip": None, "devices": [],
    "products": {"cpu": {"float32": 1e-7, "float16": 4e-4, "bfloat16": 3e-3}},
    "backend": {"name": "gloo", "sum": 1.0},
}  # fmt: skip
WORDS = ["doctor", "hardware=cpu", "model=smollm2_135m_instruct", "data=function_calls"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def probed(monkeypatch):
    """Without the seconds that a real probe takes."""
    monkeypatch.setattr(deep, "probe", lambda _e: PROBED)


def told(capsys) -> tuple[dict, dict]:
    whole = json.loads(capsys.readouterr().out)
    return whole, {(one["topic"], one["name"]): one for one in whole["nodes"][0]["findings"]}


def test_here(capsys, tmp_path):
    """The real thing: exit 0, every topic, torch imported and computing in a child, nothing left behind."""
    assert main([*WORDS, "--json"]) == 0
    whole, lines = told(capsys)
    assert whole["ok"] and whole["cluster"] == "local" and whole["job_id"] is None
    assert whole["differences"] == [] and len(whole["nodes"]) == 1
    topics = {topic for topic, _ in lines}
    assert topics >= {
        "python",
        "packages",
        "host",
        "accelerators",
        "torch",
        "slurm",
        "disk",
        "hub",
        "experiment",
    }
    for name in ("import", "product cpu float32", "product cpu bfloat16", "gloo"):
        assert lines["torch", name]["state"] == "ok", lines["torch", name]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package(capsys, monkeypatch, probed):
    """Exit 1, and what to do stands in its line."""
    monkeypatch.setattr(packages, "version", lambda name: None if name == "mmengine" else version(name))
    assert main([*WORDS, "--json"]) == 1
    whole, lines = told(capsys)
    assert not whole["ok"] and lines["packages", "mmengine"]["state"] == "missing"
    assert "make setup" in lines["packages", "mmengine"]["remedy"]


def test_for_people(capsys, monkeypatch, probed):
    """The table, and a count at its end."""
    monkeypatch.setattr(packages, "version", lambda name: None if name == "mmengine" else version(name))
    assert main(WORDS) == 1
    text = capsys.readouterr().out
    assert "mmengine" in text and "make setup" in text and "1 missing" in text


def test_a_model_that_is_not_there(capsys, probed):
    """What run would refuse is said here too."""
    assert main([*WORDS, "model=llama3_8b_instruct", "model.path=/no/such/folder", "--json"]) == 1
    _, lines = told(capsys)
    assert lines["experiment", "model.path"]["state"] == "missing"


def test_slurm_that_is_not_there(capsys, monkeypatch, probed):
    """For cluster=slurm its programs are needed, and torch is the nodes' matter."""
    monkeypatch.setattr(doctor_slurm.shutil, "which", lambda _name: None)
    assert main([*WORDS, "cluster=slurm", "--json"]) == 1
    _, lines = told(capsys)
    assert "sbatch" in lines["slurm", "programs"]["found"] and ("torch", "import") not in lines


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cluster"], "--cluster: cluster=local"),
        (["--limit", "5"], "--limit: is about --cluster"),
        (["--cluster", "--limit", "0", "cluster=slurm"], "--limit: 0 is no time"),
        (["--cluster", "--limit", "soon", "cluster=slurm"], "--limit"),
        (["--clutser"], "did you mean --cluster?"),
        (["rnak=3"], "rnak: no such key"),
        (["last"], "last: is nothing that doctor takes"),
    ],
)
def test_wrong_requests(words, said, capsys):
    """Exit 2, with what to write."""
    assert main(["doctor", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_limit_that_is_no_number(capsys):
    """In ftcore's words."""
    assert main(["doctor", "--cluster", "--limit", "abc"]) == 2
    assert "--limit: abc is no number; allowed: seconds" in capsys.readouterr().err
