"""The command import-xtuner: what it says, what it writes, what it leaves alone, and its exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ftcore.config.compose import compose
from ftcore.config.xtuner.compare import RULES
from ftcore.importing.preset import MACHINE
from ftcore.plan.preflight import preflight

ROOT = Path(__file__).parents[3]
STEM = "internlm_7b_qlora_alpaca_e3"
HEAVY = ("torch", "transformers", "mmengine", "xtuner", "datasets", "peft", "deepspeed")


def files(folder: Path) -> list[str]:
    """What is in a folder, and below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def unwrapped(text: str) -> str:
    """`text` with every run of blanks as one, however wide the terminal was."""
    return " ".join(text.split())


def test_imported_and_checked(run, in_an_empty_folder):
    """Exit 0: groups, overrides, advice and commands are shown, and the rules that the check goes by."""
    code, out, err = run(STEM, "--check")
    assert (code, err) == (0, "")
    assert files(in_an_empty_folder) == [f"conf/experiment/{STEM}.yaml"]
    text = unwrapped(out)
    for part in (
        f"{STEM}.py -> conf/experiment/{STEM}.yaml", "model=internlm_7b data=alpaca_en lora=qlora",
        "epochs=3 rank=64", "passed through: nothing", "seed=42", "precision=bf16",
        f"run it: python -m ftcore experiment={STEM} --config-dir conf", "check: equal, setting by setting",
    ):  # fmt: skip
        assert part in text, part
    assert all(f"{rule.name}: " in text for rule in RULES)


def test_passthrough_is_shown(run, edited):
    """What no typed key says is listed with both values, and stands in the file with a word of warning."""
    code, out, _ = run(edited({}, "visualizer = dict(type='Visualizer', a=[1, 2])"), "--to", "mine")
    assert code == 0 and "passed through, for stock XTuner alone (1):" in out
    shown = "visualizer = {'type': 'mmengine.visualization.Visualizer', 'a': [1, 2]} (ftcore: None)"
    assert shown in unwrapped(out)
    written = Path("mine/experiment/my.yaml").read_text(encoding="utf-8")
    assert "# passthrough: what no typed key says; ftcore's own training follows only some of it." in written
    assert yaml.safe_load(written)["passthrough"] == {
        "set": {"visualizer": {"type": "Visualizer", "a": [1, 2]}}
    }


def test_training_tells_what_it_would_not_follow(run, edited):
    """preflight names the paths that ftcore's own training would pass over, and not the others."""
    end = "visualizer = dict(type='Visualizer')\nmodel['llm']['low_cpu_mem_usage'] = True"
    assert run(edited({}, end), "--to", "mine")[0] == 0
    experiment = compose(["experiment=my", *MACHINE], config_dir="mine").experiment
    told = [problem.message for problem in preflight(experiment) if problem.key == "passthrough"]
    assert len(told) == 1 and told[0].startswith("visualizer.type is for stock XTuner")


def test_other_preset_is_not_overwritten(run, edited, in_an_empty_folder):
    """A preset that holds something else stays as it is, unless --force; the same one twice is fine."""
    file = edited({})
    assert run(file, "--to", "mine")[0] == run(file, "--to", "mine")[0] == 0
    path = in_an_empty_folder / "mine" / "experiment" / "my.yaml"
    imported = path.read_bytes()
    path.write_text("# by hand\n")
    code, out, err = run(file, "--to", "mine")
    assert (code, out) == (2, "")
    assert (
        "--name: mine/experiment/my.yaml is there and holds something else; allowed: another name, or --force"
        in err
    )
    assert path.read_text() == "# by hand\n"
    assert run(file, "--to", "mine", "--force")[0] == 0
    assert path.read_bytes() == imported
    assert run(file, "--to", "mine", "--name", "other")[0] == 0
    assert files(in_an_empty_folder) == ["mine/experiment/my.yaml", "mine/experiment/other.yaml"]


def test_many_overwrite_nothing_either(run, edited, in_an_empty_folder):
    """Of a folder, a file whose preset is there and holds something else is refused, unless --force."""
    folder = in_an_empty_folder / "in"
    for name in ("a/one", "b/one", "two"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).with_suffix(".py").write_bytes(edited({}).read_bytes())
    assert run(folder, "--to", "mine")[0] == 0
    presets = in_an_empty_folder / "mine" / "experiment"
    assert files(presets) == ["a-one.yaml", "b-one.yaml", "two.yaml"]
    (presets / "two.yaml").write_text("# by hand\n")
    code, out, _ = run(folder, "--to", "mine")
    assert code == 0 and "3 files: 2 imported and rebuilt, 1 refused" in out
    assert "two.yaml is there and holds something else" in unwrapped(out)
    assert (presets / "two.yaml").read_text() == "# by hand\n"
    assert run(folder, "--to", "mine", "--force")[0] == 0
    assert "by hand" not in (presets / "two.yaml").read_text()


def test_many_leave_nothing(run, edited, in_an_empty_folder):
    """Without --to, importing a folder only counts."""
    (in_an_empty_folder / "in").mkdir()
    for name in ("one.py", "two.py"):
        (in_an_empty_folder / "in" / name).write_bytes(edited({}).read_bytes())
    code, out, _ = run("in")
    assert code == 0 and "equal, setting by setting 2" in unwrapped(out)
    assert files(in_an_empty_folder) == ["in/one.py", "in/two.py"]


def test_json(run, edited):
    """--json is one object with all that is shown; `different` is null where nothing was checked."""
    file = edited({}, "visualizer = dict(type='看')")
    code, out, _ = run(file, "--to", "mine", "--json")
    told = json.loads(out)
    assert code == 0 and told["different"] is None
    assert told["file"] == str(file) and told["written"] == "mine/experiment/my.yaml"
    assert told["command"] == "python -m ftcore experiment=my --config-dir mine"
    assert told["passthrough"] == [{"path": "visualizer", "in_file": {"type": "看"}, "ftcore": None}]
    written = yaml.safe_load(Path(told["written"]).read_text(encoding="utf-8"))
    assert written["rank"] == told["overrides"]["rank"] == 64
    assert {f"override /{group}": choice for group, choice in told["groups"].items()} == {
        key: value for part in written["defaults"] for key, value in part.items()
    }
    assert {"override", "reason"} == set(told["better"][0])
    assert json.loads(run(file, "--to", "mine", "--json", "--check")[1])["different"] == []


def tampered(monkeypatch):
    """Between writing and checking, someone edits the preset."""
    from ftcore.cli import import_xtuner

    write = import_xtuner.write

    def write_and_edit(imported, folder, replace):
        path = write(imported, folder, replace)
        path.write_text(path.read_text(encoding="utf-8").replace("rank: 64", "rank: 65"), encoding="utf-8")
        return path

    monkeypatch.setattr(import_xtuner, "write", write_and_edit)


def test_difference_is_told(run, monkeypatch):
    """Where what was written is not the file, --check says which setting and exits 1."""
    tampered(monkeypatch)
    code, out, _ = run(STEM, "--check")
    assert code == 1 and "check: equal" not in out
    assert "check: 1 setting(s) differ model.lora.r: 64 in the file, 65 rebuilt" in unwrapped(out)


def test_difference_in_json(run, monkeypatch):
    """So does --json."""
    tampered(monkeypatch)
    code, out, _ = run(STEM, "--check", "--json")
    assert code == 1
    assert json.loads(out)["different"] == [{"path": "model.lora.r", "in_file": 64, "ftcore": 65}]


def test_difference_among_many(run, edited, monkeypatch, in_an_empty_folder):
    """One file of many that is not equal is counted, named, and exits 1."""
    from ftcore.importing import many

    (in_an_empty_folder / "in").mkdir()
    for name in ("one.py", "two.py"):
        (in_an_empty_folder / "in" / name).write_bytes(edited({}).read_bytes())
    check = many.check

    def worse(imported, folder):
        path = folder / "experiment" / "two.yaml"
        if imported.preset.name == "two":
            path.write_text(
                path.read_text(encoding="utf-8").replace("epochs: 3", "epochs: 4"), encoding="utf-8"
            )
        return check(imported, folder)

    monkeypatch.setattr(many, "check", worse)
    code, out, _ = run("in")
    text = unwrapped(out)
    assert code == 1 and "equal, setting by setting 1 different 1" in text
    assert "different: two.py:" in text and "train_cfg.max_epochs: 3 in the file, 4 rebuilt" in text
    told = json.loads(run("in", "--json")[1])
    assert (told["equal"], told["different"]) == (1, 1)
    assert [one["state"] for one in told["files"]] == ["equal", "different"]


def test_folder_of_an_odd_name(run, edited, in_an_empty_folder):
    """The command that is shown can be typed, whatever the folder is called."""
    code, out, _ = run(edited({}), "--to", "我 的", "--json")
    assert code == 0
    command = f"{json.loads(out)['command']} hardware=cuda --cfg xtuner".replace("python", sys.executable, 1)
    shell = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert shell.returncode == 0, shell.stderr
    assert "r=64" in shell.stdout


def test_written_preset_runs_and_mmengine_reads_it(run, edited, in_an_empty_folder):
    """--cfg xtuner of the preset is a file that mmengine reads, with what was passed through."""
    pytest.importorskip("torch")
    pytest.importorskip("mmengine")
    from mmengine.config import Config

    file = edited(
        {"lora_dropout=0.1": "lora_dropout=0.25"}, "visualizer = dict(type='Visualizer', a=[1, '${x}'])"
    )
    assert run(file, "--to", "mine")[0] == 0
    words = ["experiment=my", "--config-dir", "mine", "hardware=cuda", "--cfg", "xtuner"]
    printed = subprocess.run(
        [sys.executable, "-m", "ftcore", *words],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert printed.returncode == 0, printed.stderr
    (in_an_empty_folder / "printed.py").write_text(printed.stdout, encoding="utf-8")
    config = Config.fromfile("printed.py")
    assert config.model.lora.lora_dropout == 0.25 and config.model.lora.r == 64
    assert config.visualizer.to_dict() == {"type": "Visualizer", "a": [1, "${x}"]}
    assert config.train_dataloader.dataset.dataset.path == "tatsu-lab/alpaca"


@pytest.mark.parametrize("words", [[STEM, "--check"], ["in", "--json"]], ids=["one", "many"])
def test_nothing_heavy_is_loaded(words, edited, in_an_empty_folder):
    """Importing a configuration imports no part of what it names."""
    (in_an_empty_folder / "in").mkdir()
    for index in range(2):
        (in_an_empty_folder / "in" / f"{index}_.py").write_bytes(edited({}).read_bytes())
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from ftcore.cli.main import main\n"
        "code = main(['import-xtuner', *sys.argv[1:]])\n"
        f"print(code, sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert answer.stderr.splitlines()[-1] == "0 []", answer.stderr
