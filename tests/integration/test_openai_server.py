"""The real server as a process, with a model that was taught its replies, asked by OpenAI's own client."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest

from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json
from tests.fixtures.served_runs import ANSWER, PLAIN, QUESTION, RESULT, WEATHER, folders, taught_run

ROOT = Path(__file__).parents[2]
READY_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """One that is ready."""

    process: subprocess.Popen[str]
    url: str
    facts: dict

    def client(self, key: str = "none") -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key=key, max_retries=0, timeout=120)


@contextmanager
def server(run: RunDirectory, *words: str, **env: str) -> Iterator[Server]:
    """`ftcore deploy` of a run, from its first line on; killed at the end if it is still there."""
    command = [sys.executable, "-m", "ftcore", "deploy", str(run.path), "--json", *words]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | env,
    )  # fmt: skip
    timer = threading.Timer(READY_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        facts = json.loads(line)
        yield Server(process, facts["url"], facts)
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
        process.communicate()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory, taught) -> RunDirectory:
    """A completed run whose merged model calls a tool, uses its result, and answers a question."""
    return taught_run(folders(tmp_path_factory.mktemp("taught")), taught)


@pytest.fixture(scope="module")
def served(run) -> Iterator[Server]:
    """The run's model, served."""
    with server(run, f"deploy.port={free_port()}") as one:
        yield one


def ask(content: str, **more):
    """A request of one user message."""
    return {"model": "taught", "messages": [{"role": "user", "content": content}], "temperature": 0, **more}


def test_a_question(served, run):
    """The client's plain request: the answer that was taught, its tokens, and why it ended."""
    assert [model.id for model in served.client().models.list()] == ["taught"]
    answer = served.client().chat.completions.create(**ask(PLAIN[0]))
    assert answer.choices[0].message.content == PLAIN[1]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 10
    assert served.facts["run"] == run.id and served.facts["model"] == "taught"


def test_a_stream(served):
    """The same in pieces, with what it took at the end."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(served.client().chat.completions.create(**ask(PLAIN[0], **options)))
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == PLAIN[1] and sum(map(bool, texts)) > 2
    assert chunks[-1].usage.completion_tokens > 2


@pytest.mark.parametrize(
    ("more", "text", "reason"),
    [({"stop": " in"}, PLAIN[1].partition(" in")[0], "stop"), ({"max_tokens": 2}, None, "length")],
)
def test_where_a_reply_ends(served, more, text, reason):
    """At the client's stop text, or its longest."""
    answer = served.client().chat.completions.create(**ask(PLAIN[0], **more))
    assert answer.choices[0].finish_reason == reason
    assert answer.choices[0].message.content == text or PLAIN[1].startswith(answer.choices[0].message.content)


def test_a_tool_call_and_its_result(served):
    """The whole of what an agent does: tools offered, a call, its result, the answer."""
    client, messages = served.client(), [{"role": "user", "content": QUESTION}]
    request = {"model": "taught", "tools": [WEATHER], "temperature": 0}
    first = client.chat.completions.create(messages=messages, **request).choices[0]
    assert first.finish_reason == "tool_calls" and first.message.content is None
    [call] = first.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo"})
    assert first.message.reasoning_content == "get_weather fits."
    messages += [
        first.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": RESULT},
    ]
    second = client.chat.completions.create(messages=messages, **request).choices[0]
    assert second.finish_reason == "stop" and second.message.content == ANSWER


def test_a_streamed_tool_call(served):
    """The client's own helper puts the chunks together to the same call."""
    request = ask(QUESTION, tools=[WEATHER])
    with served.client().chat.completions.stream(**request) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    [call] = message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Oslo"}')
    assert not message.content


def test_wrong_requests(served):
    """The client raises its own errors, with what is wrong."""
    with pytest.raises(openai.NotFoundError, match="there is 'taught'"):
        served.client().chat.completions.create(**ask("x") | {"model": "gpt-4"})
    with pytest.raises(openai.BadRequestError, match="logprobs"):
        served.client().chat.completions.create(**ask("x", logprobs=True))
    with pytest.raises(openai.BadRequestError, match="leave no room"):
        served.client().chat.completions.create(**ask("x" * 4000))


def test_a_client_that_hangs_up(served):
    """The next one is answered: nobody waits for the rest of a reply that is read by none."""
    stream = served.client().chat.completions.create(**ask("tell me everything", stream=True, max_tokens=400))
    next(iter(stream))
    stream.close()
    assert served.client().chat.completions.create(**ask(PLAIN[0])).choices[0].message.content == PLAIN[1]


def test_clients_at_once(served):
    """Each gets its own answer, one after the other, while the server says that it is well."""
    asked = [PLAIN[0], QUESTION] * 3
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = pool.map(
            lambda text: served.client().chat.completions.create(
                **ask(text, tools=[WEATHER] if text is QUESTION else openai.NOT_GIVEN)
            ),
            asked,
        )
        assert httpx.get(f"{served.url.removesuffix('/v1')}/health", timeout=5).json() == {"status": "ok"}
    for text, answer in zip(asked, answers, strict=True):
        message = answer.choices[0].message
        assert message.content == (PLAIN[1] if text is PLAIN[0] else None)
        assert bool(message.tool_calls) is (text is QUESTION)


def test_the_port_is_taken(served, run):
    """Told at once, before a model is loaded, with the port."""
    port = re.search(r":(\d+)/", served.url)[1]
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "ftcore",
        "deploy",
        str(run.path),
        f"deploy.port={port}",
    ]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (
        answer.returncode == 2 and f"deploy.port: port {port} of 127.0.0.1 is not to be had" in answer.stderr
    )
    assert " torch\n" not in answer.stderr


def test_in_front_of_another_server(served, run):
    """With `upstream` the same command makes tool calls of what another server says, and has no model."""
    words = (f"deploy.port={free_port()}", f"deploy.upstream={served.url}", "deploy.model_name=agent")
    with server(run, *words, "deploy.upstream_model=taught", FTCORE_API_KEY="s3cret") as proxy:
        with pytest.raises(openai.AuthenticationError):
            proxy.client("wrong").models.list()
        request = ask(QUESTION, tools=[WEATHER]) | {"model": "agent"}
        message = proxy.client("s3cret").chat.completions.create(**request).choices[0].message
        assert message.tool_calls[0].function.name == "get_weather"
        plain = ask(PLAIN[0]) | {"model": "agent"}
        assert proxy.client("s3cret").chat.completions.create(**plain).choices[0].message.content == PLAIN[1]
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(30) == 0
    assert "upstream" in proxy.facts


@pytest.mark.slow
def test_in_front_of_transformers_serve(run, tmp_path):
    """A server of other people's making, which knows nothing of Actions, calls tools with the adapter."""
    port = free_port()
    (tmp_path / "hub").mkdir()  # it lists what is there, and fails where nothing ever was
    main = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    theirs = subprocess.Popen(
        [sys.executable, "-c", main, "serve", str(run.merged), "--device", "cpu", "--port", str(port)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/health").raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline and theirs.poll() is None
                time.sleep(0.2)
        words = (f"deploy.port={free_port()}", f"deploy.upstream=http://127.0.0.1:{port}/v1")
        with server(run, *words, f"deploy.upstream_model={run.merged}") as proxy:
            for stream in (False, True):
                [call] = _calls(proxy.client(), ask(QUESTION, tools=[WEATHER], stream=stream))
                assert call == ("get_weather", '{"city": "Oslo"}')
            answer = proxy.client().chat.completions.create(**ask(PLAIN[0]))
            assert answer.choices[0].message.content == PLAIN[1]
    finally:
        theirs.kill()
        theirs.wait()


def _calls(client: openai.OpenAI, request: dict) -> list[tuple[str, str]]:
    """Names and arguments of the calls in an answer, streamed or not."""
    answer = client.chat.completions.create(**request)
    if request["stream"]:
        calls = [c for chunk in answer for choice in chunk.choices for c in choice.delta.tool_calls or ()]
    else:
        calls = answer.choices[0].message.tool_calls
    return [(call.function.name, call.function.arguments) for call in calls]


@pytest.mark.parametrize("how", ["ctrl-c", "--down"])
def test_the_end(served, run, tmp_path, how):
    """Ctrl-C, and a command from elsewhere, end it cleanly, with nothing left in the run's directory."""
    copy = RunDirectory(tmp_path / "runs" / "taught" / run.id)
    shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("deploy"))
    with server(copy, f"deploy.port={free_port()}", f"deploy.upstream={served.url}") as one:
        [effect] = read_json(copy.path / "deploy" / "openai.json")["made"]
        assert effect["pid"] == one.process.pid
        assert httpx.get(f"{one.url.removesuffix('/v1')}/health").status_code == 200
        if how == "ctrl-c":
            one.process.send_signal(signal.SIGINT)
        else:
            down = [sys.executable, "-m", "ftcore", "deploy", str(copy.path), "--down", "--json"]
            told = json.loads(subprocess.run(down, cwd=ROOT, capture_output=True, text=True).stdout)
            assert told["ended"] == [one.process.pid]
        assert one.process.wait(30) == 0
        assert "Traceback" not in one.process.stderr.read()
    assert not (copy.path / "deploy").exists()
