"""`deploy=xinference` against a real server: register, launch, ask, replace, put back, take down."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ftcore.runs.directory import RunDirectory
from tests.fixtures.served_runs import ANSWER, PLAIN, QUESTION, RESULT, WEATHER, folders, taught_run
from tests.fixtures.tiny import Finished, finish
from tests.fixtures.xinference import PASSWORD, Xinference, free_port, plain, xinference

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
ROOT = Path(__file__).parents[3]
ADAPTER_SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with xinference(tmp_path_factory.mktemp("xinference")) as found:
        yield found


@pytest.fixture(scope="module")
def run(tmp_path_factory, taught) -> RunDirectory:
    """A completed run whose merged model was taught a tool call and an answer."""
    return taught_run(folders(tmp_path_factory.mktemp("taught")), taught)


@pytest.fixture(scope="module")
def other(run, tiny) -> RunDirectory:
    """A newer run of another model, which was taught nothing."""
    newer = taught_run(folders(run.path.parents[2] / "again"), tiny.model, "20261125-3")
    target = run.path.parent / newer.path.name
    newer.path.rename(target)
    return RunDirectory(target)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("keys") / "key"


def deploy(server: Xinference, run: RunDirectory, *words: str, **env: str) -> Finished:
    """The command as a person types it."""
    where = ["deploy=xinference", f"deploy.server={server.url}"]
    command = [sys.executable, "-m", "ftcore", "deploy", str(run.path), *where, *words]
    given = plain() | {"XINFERENCE_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)} | env
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=given
    )
    return finish(process, run)


def made(run: RunDirectory) -> list[tuple[str, str]]:
    file = run.path / "deploy" / "xinference.json"
    return (
        [(one["what"], one["name"]) for one in json.loads(file.read_text())["made"]] if file.exists() else []
    )


@pytest.fixture(scope="module")
def key(server, run, key_file) -> str:
    """The model served, and an API key for its clients. The first admin is made on the way."""
    nobody = deploy(server, run, XINFERENCE_PASSWORD="")
    assert nobody.code == 2 and "XINFERENCE_PASSWORD is not set" in nobody.err
    early = deploy(server, run)
    assert early.code == 2 and "XINFERENCE_SETUP_TOKEN" in early.err
    wrong = deploy(server, run, XINFERENCE_SETUP_TOKEN="wrong")
    assert wrong.code == 1 and "Invalid setup token" in wrong.err and not made(run)
    first = deploy(
        server, run, f"deploy.key_file={key_file}", "--json", XINFERENCE_SETUP_TOKEN=server.setup_token
    )
    assert first.code == 0, first.err
    assert json.loads(first.out)["version"] == "4.1.0" and json.loads(first.out)["changed"]
    assert [what for what, _ in made(run)] == ["registration", "model", "api key"]
    assert key_file.stat().st_mode & 0o777 == 0o600
    text = key_file.read_text().strip()
    assert text not in first.out + first.err + (run.path / "deploy" / "xinference.json").read_text()
    return text


def test_the_model_answers_as_it_was_taught(server, key):
    """Chat template and stop tokens are the model's: the taught answer, and an end after it."""
    choice = server.chat(
        key, model="taught", messages=[{"role": "user", "content": PLAIN[0]}], max_tokens=60, temperature=0
    )
    assert choice["message"]["content"] == PLAIN[1] and choice["finish_reason"] == "stop"


def test_the_same_again_changes_nothing(server, run, key):
    """A second deployment neither launches anew nor adds an effect."""
    before = made(run)
    done = deploy(server, run, "--json")
    assert done.code == 0 and json.loads(done.out)["changed"] is False, done.err
    assert made(run) == before


@pytest.mark.parametrize(
    ("words", "env", "code", "part"),
    [
        (["deploy.model_name=qwen3"], {}, 2, "qwen3 is registered on the server already, and not by ftcore"),
        (["deploy.model_name=a/b"], {}, 2, "Xinference takes no a/b"),
        ([], {"XINFERENCE_PASSWORD": "wrong-password"}, 1, "Incorrect username or password"),
        (
            [],
            {"XINFERENCE_PASSWORD": "", "XINFERENCE_API_KEY": "xf-1"},
            2,
            "ask its models and register none",
        ),
        (["deploy.server=http://127.0.0.1:9"], {}, 1, "http://127.0.0.1:9: no answer"),
    ],
)
def test_what_is_refused(server, run, key, words, env, code, part):
    """Told in a line, and what is served stays as it is."""
    before = made(run)
    done = deploy(server, run, *words, **env)
    assert done.code == code and part in done.err and "Traceback" not in done.err, done.err
    assert made(run) == before


def test_a_tool_call_through_the_adapter(server, run, key):
    """OpenAI's client asks the adapter with tools; Xinference, which knows of none, answers behind it."""
    port = free_port()
    words = [
        "deploy=openai",
        f"deploy.upstream={server.url}/v1",
        "deploy.upstream_model=taught",
        f"deploy.port={port}",
    ]
    env = plain() | {"FTCORE_UPSTREAM_API_KEY": key, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "ftcore", "deploy", str(run.path), *words, "--json"], cwd=ROOT, env=env,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        line = process.stdout.readline()
        assert line, process.communicate(timeout=ADAPTER_SECONDS)[1]
        url, asked = json.loads(line)["url"], [{"role": "user", "content": QUESTION}]
        settings = {"model": "taught", "tools": [WEATHER], "temperature": 0, "max_tokens": 80}
        message = server.chat("none", url, messages=asked, **settings)["message"]
        (call,) = message["tool_calls"]
        assert call["function"]["name"] == "get_weather"
        assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
        said = {"role": "assistant", "content": message["content"], "tool_calls": message["tool_calls"]}
        result = {"role": "tool", "tool_call_id": call["id"], "content": RESULT}
        last = server.chat("none", url, messages=[*asked, said, result], **settings)
        assert last["message"]["content"] == ANSWER
    finally:
        process.terminate()
        process.communicate(timeout=ADAPTER_SECONDS)


def test_a_newer_run_replaces_it_and_a_failed_one_does_not(server, run, other, key):
    """The weights behind the name are the newer run's; a launch that fails puts them back; --down ends it."""
    ask = {
        "model": "taught",
        "messages": [{"role": "user", "content": PLAIN[0]}],
        "max_tokens": 20,
        "temperature": 0,
    }
    assert server.chat(key, **ask)["message"]["content"] == PLAIN[1][: len(PLAIN[1])]
    replaced = deploy(server, other, "--json")
    assert replaced.code == 0 and json.loads(replaced.out)["changed"], replaced.err
    new = server.chat(key, **ask)["message"]["content"]
    assert new != PLAIN[1]
    failed = deploy(server, other, "deploy.engine=nosuch")
    assert failed.code == 1 and f"kept: taught/{other.path.name}, which is served again" in failed.err, (
        failed.err
    )
    assert server.chat(key, **ask)["message"]["content"] == new
    last = deploy(server, run, "--down")
    assert last.code == 0 and "taken back: api key" in last.out, last.err
    assert "no longer this run's: model taught, registration taught" in last.out and not made(run)
    ended = deploy(server, other, "--down")
    assert ended.code == 0 and "model taught, registration taught" in ended.out and not made(other)
    again = deploy(server, run, "--down")
    assert again.code == 0 and "nothing of this run" in again.out
