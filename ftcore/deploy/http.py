"""Requests with JSON in and out to a server that somebody else runs."""

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from ftcore.config.errors import WorkError, shortened

SECONDS = 30.0
"""An answer that takes longer is none, unless the request is known to take long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whatever it thinks of the request."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    @property
    def reason(self) -> str:
        """What the body says went wrong, as FastAPI, OpenAI and One-API say it; else the body itself."""
        body = self.json
        for name in ("detail", "error", "message"):
            found = body.get(name) if isinstance(body, dict) else None
            if isinstance(found, dict):
                found = found.get("message")
            if found:
                return shortened(str(found), 400)
        return shortened(self.text, 400) if self.text else f"HTTP {self.status}"


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a server, and what it knows us by."""

    url: str
    """`http://host:port`, with no slash at its end."""

    authorization: str | None = None

    def ask(self, method: str, path: str, body: Any = None, *, seconds: float = SECONDS) -> Answer:
        """One request. Raises WorkError where nobody answers, or not in time; every answer is returned."""
        # No proxy of the environment: these are addresses of one's own network.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Accept": "application/json"} | (
            {} if data is None else {"Content-Type": "application/json"}
        )
        if self.authorization:
            headers["Authorization"] = self.authorization
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with opener.open(request, timeout=seconds) as answer:
                return Answer(answer.status, answer.read().decode("utf-8", "replace"))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode("utf-8", "replace"))
        except TimeoutError:
            raise WorkError(f"{self.url}: no answer to {method} {path} in {seconds:g} s") from None
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            raise WorkError(f"{self.url}: no answer: {getattr(error, 'reason', None) or error}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes to the address that was typed, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
