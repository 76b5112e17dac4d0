"""Commands that start nothing: help, version, --cfg, plan, --info."""

import ast
import json

import pytest
import yaml

from ftcore.cli.commands import COMMANDS
from ftcore.cli.main import main
from ftcore.config.groups import conf_dir
from tests.fixtures import records


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["ftcore"])


def out(capsys, *words):
    """Standard output of a command that succeeds."""
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_front_page_names_everything(capsys):
    """--help names every command, group, choice and top-level key."""
    text = out(capsys, "--help")
    for command in COMMANDS:
        assert f"\n  {command} " in text
    for file in conf_dir().glob("*/*.yaml"):
        assert file.stem.startswith("_") or file.stem in text
    for key in ("nodes=", "max_length=", "lr=", "rank=", "epochs=", "seed=", "name="):
        assert key in text


@pytest.mark.parametrize("command", COMMANDS)
def test_page_of_a_command_ends_in_examples(command, capsys):
    """Each command's help ends in lines that can be typed."""
    text = out(capsys, command, "--help")
    assert text.rstrip().splitlines()[-1].strip() == COMMANDS[command].examples[-1]


def test_help_wins_over_work(capsys, tmp_path):
    """--help beside overrides starts nothing, wherever it stands."""
    assert "Config groups" in out(capsys, "lr=x", "--help")
    assert list(tmp_path.iterdir()) == []


def test_cfg_job_is_yaml(capsys):
    """--cfg job prints the resolved configuration, and -p a part of it."""
    whole = yaml.safe_load(out(capsys, "--cfg", "job", "rank=7"))
    assert whole["lora"]["rank"] == 7 and "hydra" not in whole
    part = yaml.safe_load(out(capsys, "--cfg", "job", "-p", "lora", "rank=7"))
    assert part == whole["lora"]
    assert json.loads(out(capsys, "--cfg", "job", "-p", "lora", "rank=7", "--json")) == part
    assert main(["--cfg", "xtuner", "--json"]) == 2
    assert "--json: --cfg xtuner is no data" in capsys.readouterr().err


def test_cfg_job_can_be_said_again(capsys, tmp_path):
    """What --cfg job prints resolves to itself: no interpolation is left."""
    assert "${" not in out(capsys, "--cfg", "job", "experiment=agentflan_llama3_8b", "hardware=dcu")
    assert list(tmp_path.iterdir()) == []


def test_cfg_xtuner_is_python(capsys):
    """--cfg xtuner prints Python that imports nothing."""
    tree = ast.parse(out(capsys, "--cfg", "xtuner"))
    assert not any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.walk(tree))


def test_plan_json(capsys, tmp_path):
    """plan --json is one object with the world's arithmetic, and leaves nothing behind."""
    words = ["plan", "--json", "experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6", "data.path=/x"]
    plan = json.loads(out(capsys, *words))
    assert plan["world"]["world_size"] == 24
    assert plan["batch"]["samples_per_step"] == 16 * 24
    assert "data.path" in {problem["key"] for problem in plan["missing_here"]}
    assert list(tmp_path.iterdir()) == []


def test_plan_for_people(capsys):
    """plan prints the name, the batch and the differences from stock XTuner."""
    text = out(capsys, "plan", "name=试验")
    assert "试验" in text and "samples a step" in text and "Otherwise than stock XTuner" in text


def test_chinese_name_everywhere(capsys):
    """A Chinese name goes through --cfg job and --cfg xtuner."""
    assert "name: 试验" in out(capsys, "--cfg", "job", "name=试验")
    assert "试验" in out(capsys, "--cfg", "xtuner", "name=试验")


def test_info_shows_what_would_be_composed(capsys):
    """--info is about the configuration that ftcore composes, detected hardware and quickstart included."""
    text = out(capsys, "--info", "defaults")
    assert "experiment/quickstart" in text and "hardware/auto" not in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_installs(shell, capsys):
    """-sc install=SHELL prints what the shell is to evaluate."""
    assert "complete" in (text := out(capsys, "-sc", f"install={shell}"))
    assert "ftcore" in text or shell == "zsh"


@pytest.mark.parametrize(
    "typed", ["ftcore", "python -m ftcore", "ftcore plan --json lr=3", "ftcore -m nodes=2"]
)
def test_shell_completion_answers(typed, capsys, monkeypatch):
    """A shell that asks gets the choices of a group, whatever command and flags stand before it."""
    monkeypatch.setenv("COMP_LINE", f"{typed} precision=b")
    assert "precision=bf16" in out(capsys, "-sc", "query=bash")


def test_shell_completion_of_nonsense(capsys, monkeypatch):
    """A line that cannot be completed is a wrong request and no traceback."""
    monkeypatch.setenv("COMP_LINE", "ftcore [ precision=b")
    assert main(["-sc", "query=bash"]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_version(capsys):
    """--version prints the version."""
    assert out(capsys, "--version").startswith("ftcore ")


def test_program_put_somewhere(capsys, tmp_path):
    """rerun --to lays out a run's program and configuration, and --json says where."""
    entry = records.template(tmp_path / "runs")
    capsys.readouterr()
    words = ["rerun", entry["id"], "--runs-dir", str(tmp_path / "runs"), "--to", "there", "--json"]
    assert json.loads(out(capsys, *words)) == {"run": entry["id"], "to": "there"}
    assert (tmp_path / "there" / "config.yaml").is_file() and (tmp_path / "there" / "ftcore").is_dir()
