"""A wrong command line exits 2: told on stderr, nothing on stdout, nothing left behind, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ftcore.cli.main import main

ROOT = Path(__file__).parents[3]

WRONG = [
    ["lr=x"],
    ["nodes=0", "model=qwen"],
    ["name=../x"],
    [""],
    ["="],
    ["a==b"],
    ["trian"],
    ["plan", "foo"],
    ["--frob"],
    ["-m", "lr=1,2"],
    ["--cfg", "nothing"],
    ["--cfg"],
    ["-cn"],
    ["-cn", "confg"],
    ["-cd", "/no/such/folder"],
    ["--info", "nothing"],
    ["--info", "all", "model=qwen"],
    ["--info", "defaults", "lr=[1"],
    ["-sc", "install=tcsh"],
    ["-sc"],
    ["-sc", "query=bash"],
    ["hydra.verbose=true"],
    ["--", "lr=1"],
    ["lr=" + "9" * 400],
    ["x" * 100_000],
    ["lr=" + "[" * 3000],
    ["plan", "--runs-dir", "x"],
    ["report"],
    ["report", "no-such-run"],
    ["report", "a", "b"],
    ["resume", "last"],
    ["report", "--cfg"],
    ["logs", "last", "--json"],
    ["--cfg", "job", "-p", "no.such.part"],
    ["--cfg", "deepspeed"],
]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """Relative paths of a command (runs/, .cache) start here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMP_LINE", raising=False)


@pytest.mark.parametrize("words", WRONG, ids=lambda words: " ".join(words)[:30] or "nothing")
def test_exit_2(words, capsys, tmp_path):
    """Exit code 2 and a message; no output to mistake for a result, no file made."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "the request is wrong" in err and "Traceback" not in err
    assert len(err) < 5000
    assert list(tmp_path.iterdir()) == []


def test_as_a_process(tmp_path):
    """The real command in a real process: exit 2, an empty stdout, no traceback, no runs folder."""
    words = ["lr=x", "--frob", "model=qwen", "name=\udcff"]
    answer = subprocess.run(
        [sys.executable, "-m", "ftcore", *map(os.fsencode, words)], cwd=tmp_path, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (2, b"")
    assert b"Traceback" not in answer.stderr
    for key in (b"lr: ", b"--frob: ", b"model: ", b"name: "):
        assert key in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_flags_words_and_keys_at_once(capsys):
    """Unknown flags, stray words and wrong overrides are told together."""
    assert main(["--jsn", "trian", "lr=x", "model=qwen3"]) == 2
    err = capsys.readouterr().err
    for expected in ("did you mean --json?", "trian: neither", "lr: ", "did you mean qwen3_8b?"):
        assert expected in err


@pytest.mark.parametrize("words", [["plann"], ["rusume", "last"]])
def test_nearest_command(words, capsys):
    """A misspelt command is told with the command it resembles."""
    assert main(words) == 2
    assert "did you mean" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["status"],
            "given: none; allowed: an id, its beginning, a folder, last; of a sweep likewise, or last-sweep",
        ),
        (["show"], "given: none; allowed: an id, its beginning, a folder, last\n"),
        (["plan", "lr"], "lr: has no value; allowed: lr=VALUE"),
        (["model"], "model: has no value; allowed: model=VALUE"),
        (["plan", "run"], "run: is nothing that plan takes; allowed: key=value; did you mean ftcore run?"),
        (["plan", "max_lenght"], "did you mean max_length?"),
        (["--lr", "1e-4", "rank=3"], "--lr: no such flag; did you mean lr=1e-4?\n"),
        (["--max-length=512"], "--max-length=512: no such flag; did you mean max_length=512?\n"),
        (["plan", "--accuracy", "--runs-dir", "old"], "did you mean runs_dir=old?\n"),
        (["--lora.rank"], "did you mean lora.rank=VALUE?\n"),
        (["evaluate", "last", "--write", "x"], "--write: x is not allowed; allowed: opencompass, teval"),
        (["chat", "last", "--max-tokens", "x"], "--max-tokens: x is no whole number; allowed: 1 and more"),
        (["chat", "last", "--temperature", "x"], "--temperature: x is no number; allowed: 0 and more"),
    ],
)
def test_word_without_a_value(words, told, capsys):
    """A key without its value, a word at the wrong place, a flag's wrong value: each told as what it is."""
    assert main(words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("module", ["rich.console", "ftcore.nothing"])
def test_python_without_the_packages(module, monkeypatch, capsys):
    """A python that is not the one of `make setup` is told so; one of ftcore's own that lacks is a bug."""

    def absent(_name):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("ftcore.cli.main.importlib", SimpleNamespace(import_module=absent))
    if module.startswith("ftcore"):
        with pytest.raises(ModuleNotFoundError):
            main(["plan"])
        return
    assert main(["plan"]) == 1
    err = capsys.readouterr().err
    assert f"{module} is not installed for" in err and "make setup" in err and ".venv/bin/activate" in err


KEYS = st.sampled_from(
    ["lr", "name", "model", "data", "experiment", "hardware", "optim.betas", "hardware.env", "nodes", "hydra",
     "hydra.run", "+x", "++lr", "~lr", "~hardware.env", "data.path", "model@x", "cluster.kind", "a..b",
     "[0]", "x[0]", ".", "precision", "chat_samples.system", "parallelism.deepspeed", "lora.quantization"]
)  # fmt: skip
PIECES = st.sampled_from(
    ["${", "}", "[", "]", "{", "}", "'", '"', "\\", ",", ":", "=", " ", "null", "???", "1e-4", "true", "lr",
     "${lr}", "${oc.env:HOME}", "${now:%Y}", "试", "\x00", "\n", "é", "()", "range(3)", "choice(1,2)",
     "glob(*)", "cpu", "@", "/"]
)  # fmt: skip
OVERRIDES = st.one_of(
    st.tuples(KEYS, st.lists(PIECES, max_size=4).map("".join)).map("=".join),
    st.tuples(KEYS, st.text(max_size=8)).map("=".join),
    st.text(max_size=12),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(words=["chat_samples.system='\\${'"])
@example(words=["lr=\\"])
@example(words=["data.path=试\\"])
@example(words=["+hardware.env={1: a}"])
@example(words=["hardware.env={'a.b': 1}"])
@given(words=st.lists(OVERRIDES, min_size=1, max_size=3))
def test_any_words(words, capsys):
    """Whatever is typed after --cfg job, it prints a configuration or exits 2; it never raises."""
    code = main(["--cfg", "job", *words])
    out, err = capsys.readouterr()
    assert code in (0, 2)
    assert bool(out) is (code == 0)
    assert "Traceback" not in err
