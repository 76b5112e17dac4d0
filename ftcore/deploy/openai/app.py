"""The routes of a server that speaks OpenAI's protocol."""

import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ftcore.deploy.bad_request import BadRequest
from ftcore.deploy.openai import protocol
from ftcore.deploy.openai.backend import Backend
from ftcore.deploy.openai.upstream import Upstream, UpstreamError
from ftcore.deploy.pieces import Piece
from ftcore.deploy.tool_calls import Reader, Stream, Thoughts, Told
from ftcore.deploy.tool_prompt import WORDINGS, checked, is_about_tools, plain, worded
from ftcore.deploy.tools import offered

EVENTS = "text/event-stream"

Gone = Callable[[], Awaitable[bool]]
"""Whether a client has hung up."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is served, and how."""

    model: str
    """What clients call it."""

    backend: Backend

    wording: str
    """A name in WORDINGS, or `native`: tools are the upstream's own business."""

    thoughts: Thoughts
    key: str | None
    """What clients have to show; None asks for nothing."""

    say: Callable[[str], None]
    """Is told a line about every answer."""


def app(service: Service) -> Starlette:
    """The application: /v1/models, /v1/chat/completions, /health."""
    return Starlette(routes=_Routes(service).all())


class _Routes:
    def __init__(self, service: Service) -> None:
        self.service, self.started = service, int(time.time())

    def all(self) -> list[Route]:
        return [
            Route("/health", self.health),
            Route("/v1/models", self.models),
            Route("/v1/models/{name:path}", self.model),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def models(self, request: Request) -> Response:
        return self._refused(request) or _json(protocol.models(self.service.model, self.started))

    async def model(self, request: Request) -> Response:
        name = request.path_params["name"]
        known = name == self.service.model
        return self._refused(request) or (
            _json(protocol.model(name, self.started)) if known else self._unknown(name)
        )

    async def chat(self, request: Request) -> Response:
        if refusal := self._refused(request):
            return refusal
        try:
            return await self._answer(await _body(request), request.is_disconnected)
        except BadRequest as problem:
            self.service.say(f"400 {problem}")
            return _json(protocol.bad_request(problem), 400)
        except UpstreamError as problem:
            self.service.say(f"{problem.status} {problem}")
            return _json(protocol.error(problem.message, "upstream_error"), problem.status)
        except Exception as problem:  # no memory left, say: the server goes on
            self.service.say(f"500 {problem}")
            return _json(protocol.error(str(problem), "server_error"), 500)

    async def _answer(self, body: dict[str, Any], gone: Gone) -> Response:
        if body.get("model") is not None and body["model"] != self.service.model:
            return self._unknown(body["model"])
        messages = checked(body.get("messages"))
        backend = self.service.backend
        tools = offered(body)
        about_tools = self.service.wording != "native" and is_about_tools(messages, tools)
        if isinstance(backend, Upstream) and not about_tools:
            return await _relayed(backend, body)
        reader = None
        if about_tools:
            conversation = worded(messages, tools, WORDINGS[self.service.wording])
            names = frozenset(tool.name for tool in tools)
            reader = Reader(names, self.service.thoughts, body.get("parallel_tool_calls") is not False)
        else:
            conversation = plain(messages)
        pieces = backend.stream(body, conversation)
        first = await anext(pieces)  # what is wrong with the request is known before the answer begins
        answer = protocol.Answer(self.service.model)
        if body.get("stream"):
            options = body.get("stream_options") or {}
            with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
            events = self._events(answer, first, pieces, reader, with_usage)
            return StreamingResponse(events, media_type=EVENTS)
        return await self._whole(answer, first, pieces, reader, gone)

    async def _whole(
        self,
        answer: protocol.Answer,
        first: Piece,
        pieces: AsyncIterator[Piece],
        reader: Reader | None,
        gone: Gone,
    ) -> Response:
        started = time.monotonic()
        last, text = first, first.text
        async with aclosing(pieces):
            async for last in pieces:
                text += last.text
                if await gone():
                    self.service.say("the client has hung up")
                    break
        told = reader.whole(text, cut=last.finish_reason == "length") if reader else Told("", text)
        self._done(told, last, started)
        return _json(answer.whole(told, last))

    async def _events(
        self,
        answer: protocol.Answer,
        first: Piece,
        pieces: AsyncIterator[Piece],
        reader: Reader | None,
        with_usage: bool,
    ) -> AsyncIterator[str]:
        started = time.monotonic()
        stream = Stream(reader) if reader else None
        last = first
        yield protocol.event(answer.begin())
        try:
            async with aclosing(pieces):
                for chunk in _more(answer, stream, first):
                    yield protocol.event(chunk)
                async for last in pieces:
                    for chunk in _more(answer, stream, last):
                        yield protocol.event(chunk)
        except Exception as problem:
            self.service.say(f"an answer broke off: {problem}")
            yield protocol.event(protocol.error(str(problem), "server_error"))
            return
        told = stream.finish(cut=last.finish_reason == "length") if stream else Told()
        for chunk in answer.more(told):
            yield protocol.event(chunk)
        for chunk in answer.end(told, last, with_usage=with_usage):
            yield protocol.event(chunk)
        yield protocol.DONE
        self._done(told, last, started)

    def _done(self, told: Told, last: Piece, started: float) -> None:
        calls = f", calls {', '.join(call.name for call in told.calls)}" if told.calls else ""
        took = f"{last.prompt_tokens} + {last.completion_tokens} tokens in {time.monotonic() - started:.1f} s"
        self.service.say(f"200 {took}{calls}")

    def _refused(self, request: Request) -> Response | None:
        key = self.service.key
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key is None or hmac.compare_digest(given.encode(), key.encode()):
            return None
        message = "the API key is missing or wrong"
        return _json(protocol.error(message, "authentication_error", code="invalid_api_key"), 401)

    def _unknown(self, name: Any) -> Response:
        message = f"no model {name!r} is served here; there is {self.service.model!r}"
        return _json(protocol.error(message, "invalid_request_error", "model", "model_not_found"), 404)


def _more(answer: protocol.Answer, stream: Stream | None, piece: Piece) -> list[dict[str, Any]]:
    told = stream.feed(piece.text) if stream else Told("", piece.text)
    return list(answer.more(told))


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise BadRequest("body", f"is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest("body", "must be a JSON object")
    return body


async def _relayed(upstream: Upstream, body: dict[str, Any]) -> Response:
    """The upstream's answer as it comes."""
    response = await upstream.relay(body)

    async def parts() -> AsyncIterator[bytes]:
        async with aclosing(response):
            async for part in response.aiter_bytes():
                yield part

    kind = response.headers.get("content-type", "application/json")
    return StreamingResponse(parts(), response.status_code, media_type=kind)


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(protocol.as_json(value), status, media_type="application/json")
