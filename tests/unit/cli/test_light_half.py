"""What does not train answers at once: none of the heavy packages is loaded, in a fresh process."""

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.tiny_tokenizer import save_tiny_tokenizer

ROOT = Path(__file__).parents[3]
HEAVY = (
    "torch",
    "transformers",
    "mmengine",
    "xtuner",
    "datasets",
    "deepspeed",
    "peft",
    "accelerate",
    "bitsandbytes",
)
PACKAGES = (
    "ftcore.cli", "ftcore.config", "ftcore.plan", "ftcore.runs", "ftcore.hardware", "ftcore.report",
    "ftcore.doctor", "ftcore.archive", "ftcore.gc", "ftcore.listing", "ftcore.repeat", "ftcore.sweeps",
    "launchers", "ftcore.stages", "ftcore.deploy",
)  # fmt: skip
NOT_LIGHT = ("launchers.local_controller", "ftcore.deploy.engine", "ftcore.deploy.talk")
REPORT = f"""
import sys
print("loaded", sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)
"""

RUN = "import sys; from ftcore.cli.main import main; code = main(sys.argv[1:])" + REPORT + "sys.exit(code)"


def loaded(script: str, *words: str, cwd: Path) -> str:
    """What a fresh process says of the heavy packages after running `script`."""
    # Compiled once for all the processes here, whatever the environment says: it halves their time.
    bytecode = {"PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{script}", *words]
    answer = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=os.environ | bytecode)
    assert answer.returncode == 0, answer.stderr
    return answer.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["plan", "--help"],
        ["--version"],
        ["--cfg", "job"],
        ["--cfg", "xtuner"],
        ["--cfg", "deepspeed", "hardware=cuda", "parallelism=zero3"],
        ["plan"],
        ["plan", "--json", "experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6"],
        ["doctor", "--json", "model=smollm2_135m_instruct"],
        ["gc"],
        ["--info", "defaults"],
        ["-sc", "install=bash"],
    ],
    ids=" ".join,
)
def test_command_loads_nothing_heavy(words, tmp_path):
    """A command that does not train ends without torch or anything that needs it."""
    assert loaded(RUN, *words, cwd=tmp_path) == "loaded []"


def test_estimating_data_loads_nothing_heavy(tmp_path):
    """A plan tokenises rows by itself, with the `tokenizers` package alone."""
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    (tmp_path / "rows.jsonl").write_text((json.dumps(row) + "\n") * 100)
    model = save_tiny_tokenizer(tmp_path / "model")
    words = ["plan", "--json", "data=openai_jsonl", "data.path=rows.jsonl", f"model.path={model}"]
    assert loaded(RUN, *words, "evaluation=none", cwd=tmp_path) == "loaded []"


def test_importing_the_light_half_loads_nothing_heavy(tmp_path):
    """Every module of the light packages, and the worker that a launcher pickles, imports without torch."""
    names = [*PACKAGES, "ftcore.worker"]
    for package in PACKAGES:
        folder = ROOT.joinpath(*package.split("."))
        names += [found.name for found in pkgutil.walk_packages([str(folder)], f"{package}.")]
    names = [name for name in names if not name.startswith("ftcore.stages.") and name not in NOT_LIGHT]
    assert len(names) > 40
    script = "import importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\n" + REPORT
    assert loaded(script, *names, cwd=tmp_path) == "loaded []"


def test_help_composes_nothing(tmp_path):
    """--help answers without Hydra and pydantic too."""
    script = RUN.replace(str(HEAVY), str(("hydra", "omegaconf", "pydantic", "numpy", *HEAVY)))
    assert loaded(script, "--help", cwd=tmp_path) == "loaded []"
