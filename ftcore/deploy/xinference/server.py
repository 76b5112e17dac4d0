"""Xinference's HTTP API, as far as a model of one's own needs it."""

import json
import os
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.config.schema import Xinference
from ftcore.deploy.http import Answer, Server
from ftcore.deploy.xinference.registration import generation

KEY, PASSWORD, SETUP = "XINFERENCE_API_KEY", "XINFERENCE_PASSWORD", "XINFERENCE_SETUP_TOKEN"
WHERE = re.compile(r"^(\[address=[^\]]*\] )+")
"""Which of Xinference's own processes an error is from."""

VERIFY_TOKENS = 16
VERIFY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Connection:
    """A server that has let us in; `needs_setup`: it has no account yet, so nobody is let in."""

    server: Server
    needs_setup: bool = False

    def version(self) -> str:
        """`4.1.0`."""
        return self._told("GET", "/v1/cluster/version")["version"]

    def generation(self) -> int:
        """Which form of registrations the server takes."""
        try:
            return generation(self.version())
        except ValueError as error:
            raise WorkError(f"{self.server.url}: {error}") from None

    def registration(self, name: str) -> dict[str, Any] | None:
        """What is registered under that name, one of Xinference's own models too; None for nothing."""
        answer = self.server.ask("GET", f"/v1/model_registrations/LLM/{_quoted(name)}")
        if not answer.ok and "not found" in answer.reason:
            return None
        return _checked(answer, f"asking for the registration {name}")

    def running(self, uid: str) -> dict[str, Any] | None:
        """What runs under that name; None for nothing."""
        models = self._told("GET", "/v1/models")["data"]
        return next((model for model in models if model["id"] == uid), None)

    def register(self, spec: dict[str, Any]) -> None:
        """Register; the server keeps it over a restart."""
        body = {"model": json.dumps(spec, ensure_ascii=False), "persist": True}
        answer = self.server.ask("POST", "/v1/model_registrations/LLM", body)
        _checked(answer, f"registering {spec['model_name']}")

    def unregister(self, name: str) -> None:
        """Take a registration back; none is fine."""
        answer = self.server.ask("DELETE", f"/v1/model_registrations/LLM/{_quoted(name)}")
        if "not found" not in answer.reason:
            _checked(answer, f"unregistering {name}")

    def launch(self, body: dict[str, Any], seconds: float) -> None:
        """Start a model, and wait until it is ready."""
        _checked(
            self.server.ask("POST", "/v1/models", body, seconds=seconds), f"launching {body['model_uid']}"
        )

    def terminate(self, uid: str) -> None:
        """End a running model; none is fine."""
        answer = self.server.ask("DELETE", f"/v1/models/{_quoted(uid)}", seconds=120)
        if "not found" not in answer.reason.lower():
            _checked(answer, f"terminating {uid}")

    def reply(self, uid: str, chat: bool) -> str:
        """A short completion of the running model, as a client would ask for it."""
        body: dict[str, Any] = {"model": uid, "max_tokens": VERIFY_TOKENS, "temperature": 0}
        body |= {"messages": [{"role": "user", "content": "Hello"}]} if chat else {"prompt": "Hello"}
        path = "/v1/chat/completions" if chat else "/v1/completions"
        told = _checked(self.server.ask("POST", path, body, seconds=VERIFY_SECONDS), f"a completion of {uid}")
        try:
            choice = told["choices"][0]
            text = choice["message"]["content"] if chat else choice["text"]
        except (KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise WorkError(f"{self.server.url}: a completion of {uid} holds no text: {told!r:.200}")
        return text

    def make_key(self, name: str) -> tuple[int, str]:
        """Id and text of a new API key of this account, which does not run out."""
        told = _checked(
            self.server.ask("POST", "/v1/admin/keys", {"name": name}), f"making the API key {name}"
        )
        return told["id"], told["key"]

    def delete_key(self, number: int) -> None:
        """Take an API key back; none is fine."""
        answer = self.server.ask("DELETE", f"/v1/admin/keys/{number}")
        if answer.status != 404:
            _checked(answer, f"deleting the API key {number}")

    def _told(self, method: str, path: str) -> Any:
        return _checked(self.server.ask(method, path), f"{method} {path}")


def connect(settings: Xinference, *, set_up: bool) -> Connection:
    """A connection to the server; with `set_up`, its first account is made where it has none.

    RequestError where the environment lacks what the server asks for; WorkError where nobody answers, or what
    the environment holds is refused.
    """
    server = Server(settings.server.rstrip("/").removesuffix("/v1"))
    asked = server.ask("GET", "/v1/cluster/auth")
    if asked.status == 404 or (asked.ok and not isinstance(asked.json, dict)):
        raise WorkError(f"{server.url} is no Xinference server: GET /v1/cluster/auth gives {asked.status}")
    if not _checked(asked, "GET /v1/cluster/auth").get("auth"):
        return Connection(server)
    status = server.ask("GET", "/v1/admin/setup/status")  # a server before 4 has no such thing
    key = os.environ.get(KEY)
    if key and not status.ok and not os.environ.get(PASSWORD):
        return _let_in(server, key, f"{KEY} is refused")
    fresh = status.ok and bool((status.json or {}).get("needs_setup"))
    problems = _missing(server.url, settings.username, fresh, status.json)
    if problems:
        raise RequestError(problems)
    password = os.environ[PASSWORD]
    if fresh:
        if not set_up:
            return Connection(server, needs_setup=True)
        account = {"username": settings.username, "password": password}
        token = {"setup_token": os.environ[SETUP]} if os.environ.get(SETUP) else {}
        _checked(
            server.ask("POST", "/v1/admin/setup", account | token), f"making the account {settings.username}"
        )
    answer = server.ask("POST", "/token", {"username": settings.username, "password": password})
    if answer.status in (401, 403, 429):
        raise WorkError(
            f"{server.url} refuses {settings.username} with the password in {PASSWORD}: {answer.reason}"
        )
    return _let_in(server, _checked(answer, "POST /token")["access_token"], "the token it gave is refused")


def _let_in(server: Server, token: str, refused: str) -> Connection:
    connection = Connection(Server(server.url, f"Bearer {token}"))
    answer = connection.server.ask("GET", "/v1/models")
    if answer.status in (401, 403):
        raise WorkError(f"{server.url}: {refused}: {answer.reason}")
    _checked(answer, "GET /v1/models")
    return connection


def _missing(url: str, username: str, fresh: bool, status: Any) -> list[Problem]:
    password = os.environ.get(PASSWORD, "")
    if not password:
        message = f"{url} asks who you are, and {PASSWORD} is not set"
        if os.environ.get(KEY):
            message = f"{url} lets the key in {KEY} ask its models and register none (Xinference from 4 on)"
        wanted = f"{PASSWORD}=... for {username}" + (", who will be its first administrator" if fresh else "")
        return [Problem("deploy.server", message, f"{wanted}; before Xinference 4 also {KEY}=...")]
    if not fresh:
        return []
    found = []
    least = int(status.get("password_min_length", 0))
    if len(password) < least:
        found.append(Problem(PASSWORD, f"has {len(password)} characters, and {url} asks for {least} or more"))
    if not os.environ.get(SETUP):
        found.append(Problem(SETUP, f"{url} has no account yet, and makes one for its set-up token alone",
                             "the set-up token in the server's log"))  # fmt: skip
    return found


def _checked(answer: Answer, doing: str) -> Any:
    if not answer.ok:
        raise WorkError(f"Xinference: {doing}: {WHERE.sub('', answer.reason)} (HTTP {answer.status})")
    return answer.json


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")
