"""Answers in OpenAI's form: whole, in chunks, and errors."""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ftcore.deploy.bad_request import BadRequest
from ftcore.deploy.pieces import Piece
from ftcore.deploy.tool_calls import Told
from ftcore.evaluation.replies import Call

Json = dict[str, Any]
DONE = "data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the parts of one answer have in common."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, told: Told, last: Piece) -> Json:
        """The answer to a request without `stream`."""
        message: Json = {"role": "assistant", "content": told.content or (None if told.calls else "")}
        if told.reasoning:
            message["reasoning_content"] = told.reasoning
        if told.calls:
            message["tool_calls"] = list(_calls(told.calls))
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(told, last)}
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage(last)}

    def begin(self) -> Json:
        """The first chunk."""
        return self._chunk({"role": "assistant", "content": ""})

    def more(self, told: Told) -> Iterator[Json]:
        """Chunks of what is told since the one before; calls come whole."""
        if told.reasoning:
            yield self._chunk({"reasoning_content": told.reasoning})
        if told.content:
            yield self._chunk({"content": told.content})
        if told.calls:
            calls = [{"index": index, **call} for index, call in enumerate(_calls(told.calls))]
            yield self._chunk({"tool_calls": calls})

    def end(self, told: Told, last: Piece, *, with_usage: bool) -> Iterator[Json]:
        """The last chunks: why it ended, and what it took where that is asked for."""
        yield self._chunk({}, _finish(told, last))
        if with_usage and usage(last):
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": usage(last)}

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _chunk(self, delta: Json, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}


def event(value: Json) -> str:
    """A server-sent event."""
    return f"data: {as_json(value)}\n\n"


def as_json(value: Any) -> str:
    """JSON that can be sent: readable Chinese, unless a text holds half a character."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or _sendable(text) else json.dumps(value)


def usage(last: Piece) -> Json | None:
    """Tokens of prompt and reply; None of an upstream that does not say."""
    if not last.prompt_tokens:
        return None
    prompt, completion = last.prompt_tokens, last.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def error(message: str, kind: str, param: str | None = None, code: str | None = None) -> Json:
    """The body of an answer that is an error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def bad_request(problem: BadRequest) -> Json:
    """The body of an HTTP 400."""
    return error(str(problem), "invalid_request_error", problem.param, problem.code)


def models(name: str, created: int) -> Json:
    """The answer of `/v1/models`."""
    return {"object": "list", "data": [model(name, created)]}


def model(name: str, created: int) -> Json:
    """One entry of it."""
    return {"id": name, "object": "model", "created": created, "owned_by": "ftcore"}


def _calls(calls: tuple[Call, ...]) -> Iterator[Json]:
    for call in calls:
        function = {"name": call.name, "arguments": as_json(call.arguments)}
        yield {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}


def _finish(told: Told, last: Piece) -> str:
    return "tool_calls" if told.calls else last.finish_reason or "stop"


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
