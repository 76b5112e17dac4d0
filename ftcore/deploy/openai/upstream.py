"""Another server that speaks OpenAI's protocol, asked with texts alone."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ftcore.deploy.pieces import Piece
from ftcore.deploy.tool_prompt import Message

KEY_VARIABLE = "FTCORE_UPSTREAM_API_KEY"
OURS = ("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options")
"""Fields of a request that are put otherwise to the upstream."""

CONNECT_SECONDS, LOOK_SECONDS, FIRST_SECONDS = 10, 5, 60
"""For a connection, a list of models, and an answer of one token."""


class UpstreamError(Exception):
    """The upstream gave no answer, or an error: `status` is the one to pass on."""

    def __init__(self, message: str, status: int = 502):
        self.message, self.status = message, status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A server and the model asked there."""

    url: str
    """Up to and with `/v1`."""

    model: str
    client: httpx.AsyncClient

    async def stream(self, body: Mapping[str, Any], messages: list[Message]) -> AsyncIterator[Piece]:
        asked = {key: value for key, value in body.items() if key not in OURS}
        asked |= {"model": self.model, "messages": messages, "stream": True}
        asked["stream_options"] = {"include_usage": True}
        finish, usage, choices = None, {}, 0
        async for chunk in self._chunks(asked):
            usage = chunk.get("usage") or usage
            for choice in chunk.get("choices") or ():
                choices += 1
                text = (choice.get("delta") or {}).get("content")
                finish = choice.get("finish_reason") or finish
                if text:
                    yield Piece(text)
        if not choices:
            raise UpstreamError(f"{self.url} answered without a reply")
        ended = "length" if finish == "length" else "stop"
        yield Piece("", ended, usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)

    async def relay(self, body: Mapping[str, Any]) -> httpx.Response:
        """The upstream's own answer to a request that is not about tools; to be read and closed."""
        return await self._send({**body, "model": self.model})

    async def _chunks(self, asked: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        response = await self._send(asked)
        try:
            if response.status_code != 200:
                raise UpstreamError(await _reason(self.url, response), response.status_code)
            async for line in response.aiter_lines():
                data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
                if not data or data == "[DONE]":
                    continue
                try:
                    chunk = json.loads(data)
                except ValueError:
                    raise UpstreamError(f"{self.url} sent what is no JSON: {data[:200]}") from None
                if isinstance(chunk, dict) and chunk.get("error"):
                    raise UpstreamError(f"{self.url}: {_message(chunk)}")
                if isinstance(chunk, dict):
                    yield chunk
        except httpx.HTTPError as error:
            raise UpstreamError(f"{self.url} broke off: {error or type(error).__name__}") from error
        finally:
            await response.aclose()

    async def _send(self, asked: dict[str, Any]) -> httpx.Response:
        request = self.client.build_request("POST", f"{self.url}/chat/completions", json=asked)
        try:
            return await self.client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise UpstreamError(f"{self.url} does not answer: {error or type(error).__name__}") from error


def connected(url: str, model: str) -> Upstream:
    """An upstream that is asked with the key in the environment, if there is one."""
    timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
    return Upstream(url.rstrip("/"), model, httpx.AsyncClient(timeout=timeout, headers=_headers()))


def names(url: str) -> list[str]:
    """The models that the upstream lists. Raises UpstreamError where it does not answer with a list."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/models", headers=_headers(), timeout=LOOK_SECONDS)
        if answer.status_code != 200:
            raise UpstreamError(f"answered /models with HTTP {answer.status_code}", answer.status_code)
        return [str(one["id"]) for one in answer.json()["data"]]
    except httpx.HTTPError as error:
        raise UpstreamError(f"does not answer: {error or type(error).__name__}") from None
    except (ValueError, KeyError, TypeError):
        raise UpstreamError("answers /models with no list of models") from None


def answers(url: str, model: str) -> bool:
    """Whether the upstream answers for a model, listed or not (some list what they have on disk alone)."""
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    place = f"{url.rstrip('/')}/chat/completions"
    try:
        return httpx.post(place, json=body, headers=_headers(), timeout=FIRST_SECONDS).status_code == 200
    except httpx.HTTPError:
        return False


def _headers() -> dict[str, str]:
    key = os.environ.get(KEY_VARIABLE)
    return {"Authorization": f"Bearer {key}"} if key else {}


async def _reason(url: str, response: httpx.Response) -> str:
    text = (await response.aread()).decode(errors="replace")
    try:
        return f"{url}: {_message(json.loads(text))}"
    except ValueError:
        return f"{url} answered HTTP {response.status_code}: {text[:300]}"


def _message(body: Any) -> str:
    found = body.get("error", body.get("detail", body)) if isinstance(body, dict) else body
    return str(found.get("message", found) if isinstance(found, dict) else found)
