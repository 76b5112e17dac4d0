"""`ftcore chat`: words about a conversation, and talking with a run's own weights."""

import io
import json
import os
import pty
import select
import shutil
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from ftcore.cli import chat
from ftcore.cli.chat import Said
from ftcore.cli.main import main
from ftcore.deploy.conversation import Conversation, command, obeyed
from tests.fixtures.served_runs import PLAIN, folders, taught_run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny, taught):
    """A run with an adapter on the tiny base model, whose merged model was taught an answer."""
    base = {"model.path": str(tiny.model), "model.gguf": None}
    run = taught_run(folders(tmp_path_factory.mktemp("chat")), taught, **base)
    _adapter(tiny.model, run.adapter)
    return run


def _adapter(base: Path, folder: Path) -> None:
    """An adapter that changes what the base model says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    settings = LoraConfig(
        r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), settings).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)


@pytest.fixture
def typed(monkeypatch):
    """Puts lines on standard input, as a pipe does."""

    def put(text: str):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="ascii"))

    return put


def test_words_about_a_conversation():
    """A line with a slash is a command; with two, or none, it is asked."""
    assert command("  /reset ") == ("reset", "")
    assert command("/system 用一句话回答") == ("system", "用一句话回答")
    assert command("//etc") is None and command("what /reset does") is None
    talk = Conversation("s", [{"role": "user", "content": "x"}])
    obeyed("reset", "", [talk])
    assert talk == Conversation("s")
    obeyed("system", "brief", [talk])
    assert talk.asked("?") == [{"role": "system", "content": "brief"}, {"role": "user", "content": "?"}]
    obeyed("system", "", [talk])
    assert talk.asked("?") == [{"role": "user", "content": "?"}]
    with pytest.raises(ValueError, match="no command /rest"):
        obeyed("rest", "", [talk])


def test_what_was_said_is_heard_again():
    """Each question comes with those before it and their answers."""
    talk = Conversation()
    talk.answered("a", "b")
    assert [turn["content"] for turn in talk.asked("c")] == ["a", "b", "c"]


def test_an_answer(run, capsys):
    """-p asks the merged model and prints what it says."""
    assert main(["chat", str(run.path), "-p", PLAIN[0]]) == 0
    assert capsys.readouterr().out == f"{PLAIN[1]}\n"


def test_lines_of_standard_input(run, capsys, typed):
    """One answer a line as JSON, commands obeyed, Chinese read whatever the terminal's encoding is."""
    typed(f"{PLAIN[0]}\n\n/reset\n/nothing\n{PLAIN[0]}\n/system 简短\n上海在哪里？\n/quit\nnot asked\n")
    assert main(["chat", str(run.path), "--json", "--max-tokens", "30"]) == 0
    out, err = capsys.readouterr()
    first, second, third = [json.loads(line) for line in out.splitlines()]
    assert first["replies"]["tuned"]["text"] == PLAIN[1] == second["replies"]["tuned"]["text"]
    assert first["replies"]["tuned"]["finish_reason"] == "stop" and first["run"] == run.id
    assert (third["prompt"], third["system"]) == ("上海在哪里？", "简短")
    assert "forgotten" in err and "no command /nothing" in err


def test_base_and_tuned_side_by_side(run, capsys):
    """The base model and the same weights with the adapter say different things; neither is the other's."""
    assert main(["chat", str(run.path), "--compare", "-p", "寿司?", "--json", "--max-tokens", "12"]) == 0
    replies = json.loads(capsys.readouterr().out)["replies"]
    assert list(replies) == ["base", "tuned"]
    assert replies["base"]["text"] != replies["tuned"]["text"]
    assert main(["chat", str(run.path), "--compare", "-p", "寿司?", "--max-tokens", "12"]) == 0
    out = capsys.readouterr().out
    shown = {name: chat.printable(reply["text"]) for name, reply in replies.items()}
    assert out == f"base:\n{shown['base']}\ntuned:\n{shown['tuned']}\n"


def test_a_reply_cannot_steer_the_terminal():
    """Escapes and other control characters are left out of what is shown; lines and Chinese are not."""
    assert chat.printable("\x1b[2J一\r\n二\t\x9b3\x00") == "[2J一\n二\t3"


def test_a_run_without_a_merged_model(run, capsys, tmp_path):
    """The base model with the adapter answers, as it does beside the base."""
    copy = tmp_path / "runs" / "taught" / run.id
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("merged"))
    assert main(["chat", str(copy), "-p", "寿司?", "--json", "--max-tokens", "12"]) == 0
    alone = json.loads(capsys.readouterr().out)["replies"]["tuned"]["text"]
    assert main(["chat", str(copy), "--compare", "-p", "寿司?", "--json", "--max-tokens", "12"]) == 0
    assert json.loads(capsys.readouterr().out)["replies"]["tuned"]["text"] == alone


def test_a_question_that_does_not_fit(run, capsys):
    """It is told, and the next one is asked without it."""
    assert main(["chat", str(run.path), "-p", "x" * 3000, "-p", PLAIN[0], "--json"]) == 0
    first, second = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "leave no room" in first["replies"]["tuned"]["problem"]
    assert second["replies"]["tuned"]["text"] == PLAIN[1]


@pytest.mark.parametrize("width", [100, 40])
def test_columns(width):
    """Beside each other where there is room, under each other where there is not."""
    console = Console(width=width, file=io.StringIO())
    console.print(chat._beside({"base": Said("一二"), "tuned": Said("three")}, width))
    lines = [line for line in console.file.getvalue().splitlines() if "一二" in line or "three" in line]
    assert len(lines) == (1 if width == 100 else 2)


def test_wrong_requests(run, capsys, tmp_path):
    """Flags out of range, no run, a run without weights, a base model that is gone: all at once, exit 2."""
    copy = tmp_path / "runs" / "taught" / run.id
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("merged", "adapter"))
    assert main(["chat", str(copy), "--max-tokens", "0", "--temperature", "9"]) == 2
    err = capsys.readouterr().err
    for expected in ("neither merged/ nor adapter/", "--max-tokens: 0", "--temperature: 9"):
        assert expected in err
    shutil.copytree(run.path, copy, dirs_exist_ok=True)
    text = (copy / "config.yaml").read_text()
    base = next(line for line in text.splitlines() if line.strip().startswith("path:"))
    (copy / "config.yaml").write_text(text.replace(base, "  path: ./gone"))
    assert main(["chat", str(copy), "--compare"]) == 2
    assert "model.path: the base model is not at" in capsys.readouterr().err
    assert main(["chat", "nine", "--runs-dir", str(tmp_path / "none")]) == 2
    assert "no such run" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--compare"]], ids=["alone", "compare"])
def test_ctrl_c_ends_a_reply_and_not_the_conversation(run, flags):
    """On a real terminal: a long reply, Ctrl-C, a command, and the end of input."""
    command = [sys.executable, "-m", "ftcore", "chat", str(run.path), "--max-tokens", "400", *flags]
    process, terminal = pty.fork()
    if not process:  # pragma: no cover
        os.chdir(ROOT)
        os.environ |= {"TERM": "xterm", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
        os.execv(command[0], command)
    shown = _until(terminal, "> ")
    os.write(terminal, "寿司 寿司?\n".encode())
    shown += _until(terminal, "?\r\n")
    os.write(terminal, b"\x03")
    shown += _until(terminal, "> ")
    os.write(terminal, b"/reset\n")
    shown += _until(terminal, "forgotten")
    os.write(terminal, b"\x04")
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert "Traceback" not in shown


def _until(terminal: int, text: str) -> str:
    """What the terminal shows up to `text`."""
    shown, deadline = b"", time.monotonic() + 120
    while text.encode() not in shown:
        assert time.monotonic() < deadline, shown.decode(errors="replace")
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536)
    return shown.decode(errors="replace")
