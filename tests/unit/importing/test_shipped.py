"""The configurations that XTuner ships: imported, written, composed by Hydra, rebuilt, compared.

Every fifth of them, with all that are refused or say something odd; all of them in the slow tests.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ftcore.cli.main import main
from ftcore.importing.many import DIFFERENT, EQUAL, REFUSED, Outcome
from tests.unit.importing.conftest import CONFIGS

ROOT = Path(__file__).parents[3]
REFUSALS = {
    "LLaVAModel is a vision-language model": 33,
    "InternVL_V1_5 is a vision-language model": 21,
    "DPO is preference optimisation": 8,
    "ORPO is preference optimisation": 5,
    "RewardModel trains a model that scores replies": 7,
    "a program and no configuration": 7,
    "'huggingface' trains with the Trainer of transformers": 3,
}
PASSED = {
    "cohere_100b_128k_sp32": {"param_scheduler", "train_cfg.max_iters"},
    "deepseek_v2_chat_full_alpaca_e3": {
        "model.llm.type", "model.llm.moe_implementation", "model.llm.expert_in_one_shard", "custom_hooks",
    },
    "internlm2_7b_qlora_json_e3": {"train_dataloader.dataset.dataset.data_files"},
    "internlm_7b_qlora_oasst1_mmlu_e3": {
        "val_dataloader", "test_dataloader", "val_evaluator", "test_evaluator", "train_cfg.val_interval",
        "val_cfg", "test_cfg",
    },
    "llama2_70b_int8_lora_open_platypus_e1": {"model.llm.load_in_8bit"},
    "qwen1_5_4b_qlora_alpaca_e3_openmind": {"model_resource"},
}  # fmt: skip
"""What a few files are known to say that no typed key says (paths into lists up to the list)."""

TWICE = "minicpm_1b_full_custom_pretrain_e1"
"""Of a file that is in two folders."""

REFUSED_FILES = re.compile(r"llava|internvl|dpo|orpo|reward_model|_hf\.py|__init__")


@pytest.fixture(scope="module", params=["sample", pytest.param("all", marks=pytest.mark.slow)])
def asked(request, tmp_path_factory):
    """What is imported, as the command is asked for it, and how many supervised fine-tunings are in it."""
    if request.param == "all":
        return "shipped", 510
    folder = tmp_path_factory.mktemp("sample")
    files = [file.relative_to(CONFIGS) for file in sorted(CONFIGS.rglob("*.py"))]
    refused = [file for file in files if REFUSED_FILES.search(str(file))]
    tuned = [file for file in files if file not in refused]
    chosen = {*tuned[::5], *(file for file in tuned if file.stem in (*PASSED, TWICE))}
    for file in (*refused, *chosen):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CONFIGS / file, folder / file)
    return str(folder), len(chosen)


@pytest.fixture(scope="module")
def answer(asked, tmp_path_factory):
    """What `import-xtuner WHAT --json` says in a process of its own, and the folder of its presets."""
    folder = tmp_path_factory.mktemp("shipped")
    command = [sys.executable, "-m", "ftcore", "import-xtuner", asked[0], "--json", "--to", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout), folder


@pytest.fixture
def outcomes(answer):
    """What became of each file, and the folder of the presets."""
    told, folder = answer
    return [Outcome(**one | {"passthrough": tuple(one["passthrough"])}) for one in told["files"]], folder


def test_counts(answer, asked):
    """The summary counts what is listed."""
    (told, _), (_, tuned) = answer, asked
    counts = {name: number for name, number in told.items() if name != "files"}
    assert counts.pop("nothing_passed_through") == sum(
        one["state"] == EQUAL and not one["passthrough"] for one in told["files"]
    )
    assert counts == {"read": tuned, "equal": tuned, "different": 0, "refused": 84}


def test_all_are_equal(outcomes, asked):
    """Supervised fine-tunings are rebuilt equal from their presets, setting by setting; none differs."""
    result, _ = outcomes
    assert [one for one in result if one.state == DIFFERENT] == []
    assert Counter(one.state for one in result) == {EQUAL: asked[1], REFUSED: 84}


def test_nearly_all_pass_nothing_through(outcomes):
    """At least 95 % are typed keys alone, those that are known to be others apart."""
    usual = [one for one in outcomes[0] if one.state == EQUAL and Path(one.file).stem not in PASSED]
    assert sum(not one.passthrough for one in usual) >= 0.95 * len(usual)


def test_what_is_passed_through_is_listed(outcomes):
    """The others name each setting that no typed key has, by its path."""
    passed = {Path(one.file).stem: one.passthrough for one in outcomes[0] if one.passthrough}
    assert len(passed) <= 25  # of 510
    for stem, expected in PASSED.items():
        assert {re.split(r"\.\d+\.", path)[0] for path in passed[stem]} == expected


def test_passthrough_is_in_the_preset(outcomes):
    """A file has a passthrough block if and only if settings of it are listed."""
    result, folder = outcomes
    block = re.compile(r"^passthrough:", re.MULTILINE)
    texts = {file.stem: file.read_text(encoding="utf-8") for file in folder.rglob("*.yaml")}
    for one in result:
        if one.state == EQUAL:
            name = next(name for name in texts if name.endswith(Path(one.file).stem))
            assert bool(block.search(texts[name])) is bool(one.passthrough), one.file


def test_refused_by_kind(outcomes):
    """What is no supervised fine-tuning is refused by name, with nothing written."""
    result, folder = outcomes
    refused = [one for one in result if one.state == REFUSED]
    counts = {kind: sum(kind in one.details[0] for one in refused) for kind in REFUSALS}
    assert counts == REFUSALS
    assert all(one.details[0].startswith(Path(one.file).name) and not one.passthrough for one in refused)
    written = {file.stem for file in folder.rglob("*.yaml")}
    assert not written & {Path(one.file).stem for one in refused}


def test_each_file_has_a_preset_of_its_own(outcomes, asked):
    """Files of one name in two folders make two presets, called after the folders."""
    result, folder = outcomes
    written = {file.stem for file in (folder / "experiment").iterdir()}
    assert len(written) == asked[1]
    stems = Counter(Path(one.file).stem for one in result if one.state == EQUAL)
    twice = {stem for stem, count in stems.items() if count > 1}
    assert twice and not written & twice
    for stem in twice:
        assert sum(name.endswith(f"-{stem}") for name in written) == stems[stem]


def test_presets_are_short(outcomes):
    """Groups say most: half of the presets override at most ten keys, and none is a copy of its file."""
    sizes = sorted(len(file.read_text().splitlines()) for file in outcomes[1].rglob("*.yaml"))
    assert sizes[len(sizes) // 2] < 30
    assert sizes[-1] < 170


def test_printed_summary_and_json_agree(capsys, tmp_path, shipped):
    """The command counts and lists the same on a folder of both kinds, whichever way it is asked."""
    source = tmp_path / "in"
    source.mkdir()
    asked = ("qwen1_5_4b_", "llama3_8b_dpo", "internlm2_chat_1_8b_dpo")
    files = [file for stem, file in shipped.items() if stem.startswith(asked)]
    for file in files:
        (source / file.name).write_bytes(file.read_bytes())
    assert main(["import-xtuner", str(source), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(["import-xtuner", str(source)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert told["equal"] + told["refused"] == len(files) == len(told["files"]) and told["refused"]
    assert told["read"] == told["equal"] and told["different"] == 0
    assert f"{len(files)} files: {told['read']} imported and rebuilt, {told['refused']} refused" in shown
    assert f"nothing passed through {told['nothing_passed_through']} (" in shown
    for one in told["files"]:
        if one["passthrough"]:
            assert f"{Path(one['file']).name}: {', '.join(one['passthrough'])}" in shown
    assert (
        sum(bool(one["passthrough"]) for one in told["files"])
        == told["equal"] - told["nothing_passed_through"]
    )
    assert f"{told['refused']} model.type: DPO" in shown
