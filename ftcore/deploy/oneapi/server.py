"""One-API's administration over HTTP: what went wrong stands in the body, behind a 200."""

import urllib.parse
from dataclasses import dataclass
from typing import Any

from ftcore.config.errors import WorkError
from ftcore.deploy.http import Answer, Server

MOST_PAGES = 1000
DEFAULT_LOGIN = {"username": "root", "password": "123456"}
GONE = "record not found"


@dataclass(frozen=True, slots=True)
class Administration:
    """A One-API that an access token lets us administer."""

    server: Server

    def channels(self) -> list[dict[str, Any]]:
        """Every channel, newest first, without keys. The server gives ten at a time, and says no total."""
        found: list[dict[str, Any]] = []
        for page in range(MOST_PAGES):
            told = self._data("GET", f"/api/channel/?p={page}", "listing channels") or []
            if not told:
                break
            found += told
        return found

    def make(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a channel, and find it: the answer does not name it, and success alone proves nothing."""
        before = {one["id"] for one in self.channels()}
        self._told("POST", "/api/channel/", f"making the channel {body['name']}", body)
        made = [one for one in self.channels() if one["id"] not in before and one["name"] == body["name"]]
        if len(made) != 1:
            raise WorkError(f"One-API answered success and made {len(made) or 'no'} channel {body['name']}")
        return made[0]

    def update(self, body: dict[str, Any]) -> None:
        """Change the channel `body["id"]`; what is null or empty stays as it is."""
        self._told("PUT", "/api/channel/", f"updating the channel {body['id']}", body)

    def channel(self, number: int) -> dict[str, Any] | None:
        """The channel, or None where there is none."""
        answer = self.server.ask("GET", f"/api/channel/{number}")
        if isinstance(answer.json, dict) and answer.json.get("message") == GONE:
            return None
        return _checked(answer, f"asking for the channel {number}")["data"]

    def delete(self, number: int) -> None:
        """Remove a channel; none is fine, to One-API too."""
        self._told("DELETE", f"/api/channel/{number}", f"removing the channel {number}")

    def test(self, number: int, model: str, seconds: float) -> str:
        """What the model answered through the channel. Raises WorkError with the upstream's own words."""
        path = f"/api/channel/test/{number}?model={urllib.parse.quote(model, safe='')}"
        return _checked(self.server.ask("GET", path, seconds=seconds), f"testing the channel {number}")[
            "message"
        ]

    def _told(self, method: str, path: str, doing: str, body: Any = None) -> dict[str, Any]:
        return _checked(self.server.ask(method, path, body), doing)

    def _data(self, method: str, path: str, doing: str) -> Any:
        return self._told(method, path, doing).get("data")


def administer(url: str, token: str) -> Administration:
    """The administration at `url`. Raises WorkError where it is no One-API, or the token is refused."""
    bare = url.rstrip("/").removesuffix("/v1")
    answer = Server(bare).ask("GET", "/api/status")
    body = answer.json
    if not (
        answer.ok and isinstance(body, dict) and body.get("success") and "system_name" in body.get("data", {})
    ):
        raise WorkError(f"{bare} is no One-API: GET /api/status gives {answer.status}")
    administration = Administration(Server(bare, token))
    administration._told("GET", "/api/channel/?p=0", "the access token")
    return administration


def default_login_works(url: str) -> bool:
    """Whether anybody can log in as root with the password that One-API starts with."""
    answer = Server(url.rstrip("/").removesuffix("/v1")).ask("POST", "/api/user/login", DEFAULT_LOGIN)
    if answer.status == 429:
        raise WorkError(
            "One-API takes no more logins for now (20 in 20 minutes), so that its default cannot be tried"
        )
    return bool(isinstance(answer.json, dict) and answer.json.get("success"))


def _checked(answer: Answer, doing: str) -> dict[str, Any]:
    body = answer.json
    if not isinstance(body, dict) or "success" not in body:
        raise WorkError(f"One-API: {doing}: {answer.reason} (HTTP {answer.status})")
    if not body["success"]:
        raise WorkError(f"One-API: {doing}: {answer.reason}")
    return body
