"""What the documentation tells people to type."""

import re
import shlex
from pathlib import Path

import pytest

from ftcore.cli import arguments
from ftcore.cli.commands import COMMANDS
from ftcore.cli.main import main
from ftcore.importing.files import config_files

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]
LINE = re.compile(r"python -m ftcore[^`\n]*")
NOT_HERE = ("-sc ", "--shell-completion", "model=llama3 lr=abc")
"""Needs a shell, or is wrong on purpose."""

OF_A_RUN = (
    "resume",
    "report",
    "status",
    "logs",
    "cancel",
    "tag",
    "note",
    "export",
    "show",
    "diff",
    "rerun",
    "deploy",
    "chat",
    "evaluate",
)
"""Commands that find no run here."""


def commands() -> list[list[str]]:
    """The words after `python -m ftcore` of every command line in the pages and in the commands' examples."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    texts += [line for command in COMMANDS.values() for line in command.examples]
    found = {match for text in texts for match in LINE.findall(text)}
    lines = [line.replace("\\|", "|") for line in sorted(found)]
    return [_typed(line)[3:] for line in lines if not any(part in line for part in NOT_HERE)]


def _typed(line: str) -> list[str]:
    """The words of a line up to what follows it: a remark, a redirection, the rest of a sentence."""
    for end in [*(match.start() for match in re.finditer(r"\s+[#>]|\)\"", line)), len(line)]:
        try:
            return shlex.split(line[:end])
        except ValueError:
            continue  # the sign stands in quotes
    raise ValueError(line)


@pytest.mark.parametrize("words", [words for words in commands() if "[COMMAND]" not in words], ids=shlex.join)
def test_command_line_is_right(words, tmp_path, monkeypatch, capsys):
    """Every command line in the documentation is accepted as it stands (nothing is started)."""
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "myconf" / "model"
    own.mkdir(parents=True)
    (own / "my_model.yaml").write_text(
        "defaults: [_base, _self_]\nname: my_model\npath: /models/my-model\ncontext_length: 8192\n"
        "template: qwen_chat\nbos: false\nstop_tokens: ['<|im_end|>']\n"
    )
    shipped = config_files("qwen1_5_7b_chat_qlora_alpaca_e3")[0]
    (tmp_path / "my_config.py").write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    if "my_conf" in words and words[0] != "import-xtuner":
        assert main(["import-xtuner", "qwen1_5_7b_chat_qlora_alpaca_e3", "--to", "my_conf"]) == 0
    if words[:2] == ["import-xtuner", "shipped"]:
        return  # tests/unit/importing does it
    if words and words[0] in OF_A_RUN:
        what = "sweep" if "last-sweep" in words else "run"
        assert main(words) == 2 and f"no such {what} under" in capsys.readouterr().err
        return
    if words[:1] == ["ls"] and "last-sweep" in words:
        assert main(words) == 2 and "no such sweep under" in capsys.readouterr().err
        return
    if words[:1] == ["import"]:
        assert main(words) == 2 and "no such file" in capsys.readouterr().err
        return
    if words and words[0] in ("doctor", "calibrate"):  # run by tests of their own
        flags, problems = arguments.parse(words[0], words[1:])
        assert not problems
        words = flags.words
    starts = not words or (words[0] not in COMMANDS and not {"--cfg", "-c", "--info", "--help"} & {*words})
    if starts and {"-m", "--multirun"} & {*words}:
        assert main(["plan", *words]) == 0
        return
    assert main([*words, "--cfg", "job"] if starts else words) == 0


def test_pages_name_files_that_exist():
    """Links and paths in the pages lead somewhere."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
        paths = re.findall(r"`((?:ftcore|tests|bench|launchers|conf)/[\w./]+\.(?:py|yaml))`", text)
        missing = [link for link in links if not (page.parent / link).exists()]
        missing += [path for path in paths if not (ROOT / path).exists()]
        assert not missing, f"{page.name}: {missing}"
