"""The server's routes, over a backend whose replies are known, and as a proxy in front of another server."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.deploy.openai.app import Service, app
from ftcore.deploy.openai.upstream import Upstream
from ftcore.deploy.pieces import Piece
from tests.fixtures.served_runs import CALL, FINAL, QUESTION, WEATHER

ASK = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
PLACE = "http://server"


@dataclass
class Scripted:
    """Gives a text, a few characters at a time, and remembers what it was asked."""

    text: str
    size: int = 3
    finish: str = "stop"
    error: Exception | None = None
    asked: list[Any] = field(default_factory=list)

    async def stream(self, body, messages):
        self.asked.append(messages)
        for start in range(0, len(self.text), self.size):
            yield Piece(self.text[start : start + self.size])
        if self.error is not None:
            raise self.error
        yield Piece("", self.finish, 7, 5)


def service(backend, **changed):
    """An application over `backend`."""
    given = {"wording": "function_calls", "thoughts": "reasoning", "key": None, "say": lambda line: None}
    return app(Service("m", backend, **(given | changed)))


def asked(application, body=None, method="POST", path="/v1/chat/completions", **kwargs) -> httpx.Response:
    """The answer to one request."""

    async def ask():
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url=PLACE) as client:
            return await client.request(
                method, path, **({"json": body} if body is not None else {}), **kwargs
            )

    return asyncio.run(ask())


def events(response: httpx.Response) -> list[Any]:
    """What a stream holds, its end included."""
    assert response.headers["content-type"].startswith("text/event-stream")
    parts = [part.removeprefix("data: ") for part in response.text.split("\n\n") if part]
    assert parts[-1] == "[DONE]"
    return [json.loads(part) for part in parts[:-1]]


def joined(chunks: list[Any]) -> dict[str, Any]:
    """The message and the finish_reason that chunks add up to, without ids of calls."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "tool_calls": []}
    reason = None
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        for name in ("content", "reasoning_content"):
            message[name] += choice["delta"].get(name) or ""
        message["tool_calls"] += [call["function"] for call in choice["delta"].get("tool_calls", ())]
        reason = choice["finish_reason"] or reason
    return message | {"finish_reason": reason}


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """The same of an answer that is no stream."""
    choice = body["choices"][0]
    message = {
        "content": choice["message"]["content"] or "",
        "reasoning_content": choice["message"].get("reasoning_content", ""),
        "tool_calls": [call["function"] for call in choice["message"].get("tool_calls", ())],
    }
    return message | {"finish_reason": choice["finish_reason"]}


def test_a_plain_answer():
    """Text, why it ended, and what it took."""
    body = asked(service(Scripted("Paris 巴黎.")), ASK).json()
    assert body["object"] == "chat.completion" and body["model"] == "m"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "Paris 巴黎."}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def test_a_tool_call():
    """The tools are in the prompt as training has them; the reply's call is OpenAI's."""
    backend = Scripted(CALL)
    body = asked(service(backend), ASK | {"tools": [WEATHER]}).json()
    message = body["choices"][0]["message"]
    assert body["choices"][0]["finish_reason"] == "tool_calls" and message["content"] is None
    assert message["reasoning_content"] == "get_weather fits."
    [call] = message["tool_calls"]
    assert call["id"].startswith("call_") and call["type"] == "function"
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    system, user = backend.asked[0]
    assert system["content"].startswith("Tools:\nget_weather: The weather of a city.")
    assert user == {"role": "user", "content": QUESTION}


def test_tools_that_may_not_be_called():
    """tool_choice=none leaves them out of the prompt and the reply as it is."""
    backend = Scripted(CALL)
    body = asked(service(backend), ASK | {"tools": [WEATHER], "tool_choice": "none"}).json()
    assert whole(body)["content"] == CALL and len(backend.asked[0]) == 1


@pytest.mark.parametrize("include_usage", [True, False])
def test_a_streamed_tool_call(include_usage):
    """The thought as it is written, then the call, then the end."""
    options = {"stream": True, "stream_options": {"include_usage": include_usage}, "tools": [WEATHER]}
    chunks = events(asked(service(Scripted(CALL)), ASK | options))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert joined(chunks) == {
        "content": "", "reasoning_content": "get_weather fits.", "finish_reason": "tool_calls",
        "tool_calls": [{"name": "get_weather", "arguments": '{"city": "Oslo"}'}],
    }  # fmt: skip
    assert ("usage" in chunks[-1]) is include_usage
    if include_usage:
        assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == 12


REPLIES = st.sampled_from(
    [CALL, FINAL, "Paris.", f"{CALL}\nObservation: 4", 'Action: x\nAction Input: {"a', ""]
)


@given(
    text=REPLIES | st.text(max_size=30),
    size=st.integers(1, 9),
    finish=st.sampled_from(["stop", "length"]),
    with_tools=st.booleans(),
)
def test_a_stream_is_the_answer_in_pieces(text, size, finish, with_tools):
    """Through the whole server: a stream adds up to the answer that is not streamed."""
    application = service(Scripted(text, size, finish))
    body = ASK | ({"tools": [WEATHER]} if with_tools else {})
    streamed = joined(events(asked(application, body | {"stream": True})))
    assert streamed == whole(asked(application, body).json())


def test_half_a_character_in_arguments():
    """A lone surrogate in a call's JSON is sent as an escape, and breaks nothing."""
    text = 'Thought: x\nAction: get_weather\nAction Input: {"city": "\\ud800"}'
    body = asked(service(Scripted(text)), ASK | {"tools": [WEATHER]}).json()
    assert json.loads(whole(body)["tool_calls"][0]["arguments"]) == {"city": "\ud800"}


def test_models():
    """The list and the entry."""
    application = service(Scripted(""))
    listed = asked(application, method="GET", path="/v1/models").json()
    assert [one["id"] for one in listed["data"]] == ["m"]
    assert asked(application, method="GET", path="/v1/models/m").json()["id"] == "m"
    assert asked(application, method="GET", path="/v1/models/n").status_code == 404
    assert asked(application, method="GET", path="/health").json() == {"status": "ok"}


def test_a_key():
    """Where one is set, it is asked for; whether the server is well, anybody may ask."""
    application = service(Scripted("x"), key="s3cret")
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer 密"}):
        headers = {name: value.encode() for name, value in header.items()}
        answer = asked(application, ASK, headers=headers)
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"
        assert asked(application, method="GET", path="/v1/models", headers=headers).status_code == 401
    assert asked(application, ASK, headers={"Authorization": "Bearer s3cret"}).status_code == 200
    assert asked(application, method="GET", path="/health").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [({"messages": []}, 400, "messages"), (ASK | {"model": "other"}, 404, "model"), ([], 400, "body"),
     (ASK | {"tools": [3]}, 400, "tools[0]"), ({"model": "m"}, 400, "messages"),
     (ASK | {"messages": [{"role": "user", "content": [{"type": "x"}]}]}, 400, "messages[0].content")],
)  # fmt: skip
def test_wrong_requests(body, status, param):
    """An error in OpenAI's form that names the field."""
    answer = asked(service(Scripted("x")), body)
    assert answer.status_code == status and answer.json()["error"]["param"] == param


def test_no_json():
    """A body that is none is a bad request too."""
    answer = asked(service(Scripted("x")), content=b"{")
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "body"


def test_a_failure_while_answering():
    """A whole answer is a 500; a stream says so and ends."""
    application = service(Scripted("some text", error=RuntimeError("no memory")))
    assert asked(application, ASK).status_code == 500
    text = asked(application, ASK | {"stream": True}).text
    assert '"no memory"' in text and "[DONE]" not in text


def test_a_failure_before_the_first_token():
    """Is an error in OpenAI's form too, and the server goes on."""
    application = service(Scripted("", error=RuntimeError("no memory")))
    for more in ({}, {"stream": True}):
        answer = asked(application, ASK | more)
        assert answer.status_code == 500 and answer.json()["error"]["message"] == "no memory"


def test_an_upstream_that_counts_no_tokens():
    """Then no figure is made up."""

    @dataclass
    class Silent(Scripted):
        async def stream(self, body, messages):
            yield Piece("x", "stop")

    assert asked(service(Silent("")), ASK).json()["usage"] is None
    options = {"stream": True, "stream_options": {"include_usage": True}}
    assert all(chunk["choices"] for chunk in events(asked(service(Silent("")), ASK | options)))


def proxy(upstream_app, **changed):
    """Our application in front of another that speaks the same protocol."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(upstream_app))
    return service(Upstream(f"{PLACE}/v1", "theirs", client), **changed)


def theirs(backend):
    """Another server, which calls its model by another name."""
    return app(Service("theirs", backend, "native", "drop", None, say=lambda line: None))


@pytest.mark.parametrize("stream", [True, False])
def test_a_proxy_makes_calls_of_texts(stream):
    """The upstream is asked with texts alone under its own name, and its text is the client's tool call."""
    backend = Scripted(CALL)
    answer = asked(proxy(theirs(backend)), ASK | {"tools": [WEATHER], "stream": stream, "temperature": 0})
    told = joined(events(answer)) if stream else whole(answer.json())
    assert told["tool_calls"] == [{"name": "get_weather", "arguments": '{"city": "Oslo"}'}]
    assert told["finish_reason"] == "tool_calls"
    assert backend.asked[0][0]["content"].startswith("Tools:\n")
    if not stream:
        assert answer.json()["usage"]["total_tokens"] == 12


@pytest.mark.parametrize("stream", [True, False])
def test_a_proxy_lets_the_rest_through(stream):
    """Without tools the upstream's own answer comes, byte for byte."""
    answer = asked(proxy(theirs(Scripted("Paris."))), ASK | {"stream": stream})
    told = joined(events(answer)) if stream else whole(answer.json())
    assert told["content"] == "Paris." and '"model": "theirs"' in answer.text


def test_a_proxy_passes_errors_on():
    """The upstream's status and words; one that is not there is a 502 that names it."""
    wrong = asked(
        proxy(app(Service("else", Scripted("x"), "native", "drop", None, print))), ASK | {"tools": [WEATHER]}
    )
    assert wrong.status_code == 404 and "no model 'theirs'" in wrong.json()["error"]["message"]
    gone = service(Upstream("http://127.0.0.1:9/v1", "theirs", httpx.AsyncClient()))
    for more in ({}, {"tools": [WEATHER]}):
        answer = asked(gone, ASK | more)
        assert answer.status_code == 502 and "127.0.0.1:9" in answer.json()["error"]["message"]


def test_native_tools_are_the_upstreams_own():
    """With tools=native a request with tools goes through as it is."""
    seen = []

    async def upstream(scope, receive, send):
        seen.append(json.loads((await receive())["body"]))
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": b'{"theirs": 1}'})

    answer = asked(proxy(upstream, wording="native"), ASK | {"tools": [WEATHER]})
    assert answer.json() == {"theirs": 1}
    assert seen == [ASK | {"model": "theirs", "tools": [WEATHER]}]
