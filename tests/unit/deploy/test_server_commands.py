"""`deploy=vllm` and `deploy=lmdeploy`: the commands, as a shell and a program get them."""

import shlex

import pytest

from tests.fixtures.deployed import Deploying
from tests.fixtures.served_runs import folders


@pytest.fixture(scope="module", params=["vllm", "lmdeploy"])
def target(request, tmp_path_factory):
    return Deploying(folders(tmp_path_factory.mktemp(request.param)), request.param)


@pytest.fixture
def deploy(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return target


def options(words: list[str]) -> dict[str, str]:
    """Option -> the word after it."""
    return {word: after for word, after in zip(words, [*words[1:], ""], strict=True) if word.startswith("--")}


def test_the_command_says_everything(deploy):
    """Folder, name, place, context and type are the model's and the settings'; nothing is left to pull."""
    code, told = deploy.make(port=8123, dtype="bf16", tensor_parallel=2)
    assert code == 0 and deploy.up.facts["url"] == "http://127.0.0.1:8123/v1"
    words = deploy.up.facts["command"]
    given = options(words)
    if deploy.kind == "vllm":
        assert words[:3] == ["vllm", "serve", str(deploy.served.folder)]
        assert given["--served-model-name"] == "x" and given["--max-model-len"] == "4096"
        assert given["--port"] == "8123" and given["--tensor-parallel-size"] == "2"
        assert given["--chat-template"] == str(deploy.served.folder / "chat_template.jinja")
    else:
        assert words[:4] == ["lmdeploy", "serve", "api_server", str(deploy.served.folder)]
        assert given["--model-name"] == "x" and given["--session-len"] == "4096"
        assert given["--server-port"] == "8123" and given["--tp"] == "2"
    assert given["--dtype"] == "bfloat16" and "--tool-call-parser" not in given
    command = "\n".join(line for line in told.splitlines() if not line.startswith("#"))
    assert (
        shlex.split(command.replace("\\\n", ""))
        == words
        == shlex.split(deploy.preview(port=8123, dtype="bf16", tensor_parallel=2).replace("\\\n", ""))
    )


def test_a_tool_parser_is_passed_on(deploy):
    """vLLM wants two options for it."""
    deploy.make(tool_parser="hermes")
    words = deploy.up.facts["command"]
    assert words[words.index("--tool-call-parser") + 1] == "hermes"
    assert ("--enable-auto-tool-choice" in words) == (deploy.kind == "vllm")


def test_what_an_option_cannot_say_is_said(deploy):
    """ReAct tool calls, and ends of a reply that the folder does not name."""
    deploy.make(model={"abilities": ("chat", "tools"), "stop_token_ids": (2, 77)})
    notes = " ".join(deploy.up.facts["notes"])
    assert "deploy=openai" in notes and "[77]" in notes
    deploy.make(model={"abilities": ("chat",), "stop_token_ids": (2,)})
    assert deploy.up.facts["notes"] == []


def test_nothing_is_made_and_nothing_taken_back(deploy):
    """Both print; neither leaves a state."""
    deploy.make()
    assert not deploy.state().made and deploy.down()[0] == 0


@pytest.mark.parametrize("target", ["lmdeploy"], indirect=True)
@pytest.mark.parametrize(
    ("changed", "key"),
    [({"device": "ascend"}, "deploy.backend"), ({"tensor_parallel": 3}, "deploy.tensor_parallel")],
)
def test_what_lmdeploy_does_not_do(deploy, changed, key):
    """turbomind on another card, and a number of cards that is no power of two."""
    code, told = deploy.make(**changed)
    assert code == 2 and key in told


@pytest.mark.parametrize("target", ["lmdeploy"], indirect=True)
def test_lmdeploy_wants_a_template(deploy):
    """It takes the folder's, which must have one."""
    assert deploy.make(model={"chat_template": None})[0] == 2
