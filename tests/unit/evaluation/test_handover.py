"""What OpenCompass and T-Eval are handed."""

import ast
import subprocess
import sys

import pytest

from ftcore.config.compose import compose
from ftcore.data.templates import _templates, prompt_template
from ftcore.evaluation.handover import opencompass, opencompass_served
from ftcore.evaluation.handover_teval import DATASETS, meta_template, teval
from ftcore.runs.directory import RunDirectory


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "runs" / "名 字" / "20261124-1")
    run.merged.mkdir(parents=True)
    return run


def models(texts):
    """The `models` of the one configuration, its names kept as texts."""
    [(file, text)] = texts.items()
    assert file.isidentifier() or file.removesuffix(".py").isidentifier()
    tree = ast.parse(text)
    assigned = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    return [
        {one.arg: one.value.id if isinstance(one.value, ast.Name) else ast.literal_eval(one.value)
         for one in call.keywords}
        for call in assigned["models"].elts
    ]  # fmt: skip


def test_opencompass_loads_the_runs_weights(run, tmp_path, monkeypatch):
    """Base and merged weights by whole paths, the type that was trained in, and the model's own end."""
    monkeypatch.chdir(tmp_path)  # where no quickstart has unpacked the model
    e = compose(["hardware=cpu"]).experiment
    base, tuned = models(opencompass(e, run))
    assert base["type"] == tuned["type"] == "HuggingFacewithChatTemplate"
    assert tuned["path"] == str(run.merged.resolve()) and base["path"] == e.model.path
    assert base["model_kwargs"]["torch_dtype"] == "torch.float32" and base["max_seq_len"] == 8192
    assert base["stop_words"] == ["<|im_end|>", "<|endoftext|>"]
    assert base["abbr"] != tuned["abbr"] and "peft_path" not in tuned


def test_opencompass_puts_an_adapter_on_the_base(run):
    """Where nothing was merged."""
    run.merged.rmdir()
    run.adapter.mkdir()
    base, tuned = models(opencompass(compose(["hardware=cpu"]).experiment, run))
    assert tuned["path"] == base["path"] and tuned["peft_path"] == str(run.adapter.resolve())


def test_opencompass_asks_a_served_model(run):
    """Its address and name, and no card."""
    e = compose(["hardware=cpu"]).experiment
    [tuned] = models(opencompass_served(e, run, {"tuned": ("http://h:1/v1", "m")}))
    assert (tuned["type"], tuned["path"], tuned["openai_api_base"]) == ("OpenAISDK", "m", "http://h:1/v1")
    assert tuned["run_cfg"] == {"num_gpus": 0}


@pytest.mark.parametrize("name", sorted(_templates()))
def test_a_meta_template_says_what_the_training_said(name):
    """Turns put between its beginnings and ends are the training's text, for each of XTuner's templates."""
    template = prompt_template(name)
    roles = {one["role"]: one for one in meta_template(template)}

    def turn(role, text):
        return roles[role]["begin"] + text + roles[role]["end"]

    asked = template["INSTRUCTION"].format(input="Q", round=1)
    assert turn("user", "Q") + roles["assistant"]["begin"] == asked
    ends = template.get("SUFFIX", "") + template.get("SEP", "")
    assert turn("user", "Q") + turn("assistant", "A") == f"{asked}A{ends}"
    if "SYSTEM" in template:
        assert turn("system", "S") == template["SYSTEM"].format(system="S")
    assert turn("function", "F") == turn("user", "F")


def test_chatml_is_divided_where_a_turn_ends():
    """So that two turns of the user in a row are closed too."""
    assert meta_template(prompt_template("qwen_chat"))[1] == {
        "role": "user", "begin": "<|im_start|>user\n", "end": "<|im_end|>\n",
    }  # fmt: skip


def test_teval_is_run_on_everything_with_the_models_template(run, tmp_path):
    """In a checkout with T-Eval's test.py and table of templates, the script runs both models, eight sets."""
    folder = tmp_path / "for teval"
    folder.mkdir()
    for name, text in teval(compose(["hardware=cpu"]).experiment, run, folder).items():
        (folder / name).write_text(text, encoding="utf-8")
    checkout = tmp_path / "T-Eval"
    (checkout / "teval" / "utils").mkdir(parents=True)
    for package in ("teval", "teval/utils"):
        (checkout / package / "__init__.py").touch()
    (checkout / "teval" / "utils" / "meta_template.py").write_text("meta_template_dict = {'qwen': []}\n")
    # T-Eval's own options, and what it does with them up to loading a model.
    (checkout / "test.py").write_text(
        "import argparse\nfrom teval.utils.meta_template import meta_template_dict\n"
        "parser = argparse.ArgumentParser()\n"
        "for name in 'dataset_path model_display_name out_name out_dir model_path'.split():\n"
        "    parser.add_argument('--' + name)\n"
        "parser.add_argument('--model_type', choices=['api', 'hf'])\n"
        "sets = 'instruct reason plan retrieve review understand rru'.split()\n"
        "parser.add_argument('--eval', choices=sets)\n"
        "parser.add_argument('--prompt_type', choices=['json', 'str'])\n"
        "parser.add_argument('--meta_template')\nparser.add_argument('--resume', action='store_true')\n"
        "args = parser.parse_args()\nassert meta_template_dict[args.meta_template][3]['generate']\n"
        "print(args.model_path, args.dataset_path, args.eval, args.out_name, sep='|')\n"
    )
    [script] = folder.glob("*.sh")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    path = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "PYTHONPATH": "", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["sh", str(script), "zh"], cwd=checkout, env=path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()]
    assert len(rows) == 2 * len(DATASETS)
    assert {row[0] for row in rows[len(DATASETS) :]} == {str(run.merged.resolve())}
    assert rows[0][1:3] == ["data/instruct_v2_zh.json", "instruct"] and rows[0][3].endswith("_zh.json")
