"""`deploy=oneapi`: a channel to what serves the model, made or updated, and tested."""

import json
from typing import Any

from rich.console import Console

from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.config.schema import OneApi
from ftcore.config.secrets import MASK
from ftcore.deploy import secret_files
from ftcore.deploy.oneapi.channel import channel, in_the_way, key_problems, mine, owner, same
from ftcore.deploy.oneapi.server import Administration, administer, default_login_works
from ftcore.deploy.served import Served
from ftcore.deploy.target import State, Up, taken_back

TOKEN, KEY = "ONEAPI_ACCESS_TOKEN", "ONEAPI_CHANNEL_KEY"
CHANNEL = "channel"
TOLD = (
    "id",
    "name",
    "type",
    "base_url",
    "models",
    "group",
    "model_mapping",
    "priority",
    "weight",
    "status",
    "config",
)
"""What One-API tells of a channel, and takes back; never its key."""


def problems(served: Served, settings: OneApi) -> list[Problem]:
    found = _secret_problems()
    if len(json.dumps({settings.model_name: settings.upstream_model})) > 1024:
        found.append(
            Problem("deploy.upstream_model", "with model_name is too long for a mapping", "1024 characters")
        )
    if found:
        return found
    administration = administer(settings.server, _secret(TOKEN))
    if default_login_works(settings.server):
        message = f"{settings.server} lets anybody in as root with its first password, 123456"
        return [Problem("deploy.server", message, "a server whose password was changed (its page, or PUT "
                        "/api/user/self with the access token)")]  # fmt: skip
    return in_the_way(administration.channels(), settings)


def preview(served: Served, settings: OneApi) -> str:
    there = mine(administer(settings.server, _secret(TOKEN)).channels(), settings)
    body = channel(settings, _run(served), MASK) | ({"id": there["id"]} if there else {})
    url, number = settings.server.rstrip("/"), there["id"] if there else "ID"
    request = (
        f"{'PUT' if there else 'POST'} {url}/api/channel/\n{json.dumps(body, indent=2, ensure_ascii=False)}"
    )
    return f"{request}\n\nGET {url}/api/channel/test/{number}?model={settings.model_name}\n"


def up(served: Served, settings: OneApi, state: State, console: Console) -> Up:
    administration = administer(settings.server, _secret(TOKEN))
    there = mine(administration.channels(), settings)
    wanted = channel(settings, _run(served), _secret(KEY))
    number = _put(administration, there, wanted, settings, state)
    try:
        with console.status(f"testing the channel {settings.channel}"):
            reply = administration.test(number, settings.model_name, settings.test_seconds)
    except WorkError as error:
        raise WorkError(error.what, kept=_put_back(administration, there, number, state)) from None
    url = f"{administration.server.url}/v1"
    verb = "is made" if there is None else "is as it was" if same(there, wanted) else "is updated"
    console.print(f"channel {number} ({settings.channel}) {verb}: {settings.model_name} at {url}")
    return Up({"url": url, "model": settings.model_name, "channel": number, "reply": reply})


def down(settings: OneApi, state: State, console: Console) -> dict[str, Any]:
    if not state.made:
        console.print("nothing of this run is in One-API")
        return {"removed": []}
    if found := _secret_problems(channel_too=False):
        raise RequestError(found)
    removed, left = [], []
    for effect in reversed(state.made):
        administration = administer(effect["server"], _secret(TOKEN))
        there = administration.channel(effect["id"])
        if there is not None and owner(there) == state.run:
            administration.delete(effect["id"])
            removed.append(f"channel {effect['id']}")
        else:
            left.append(f"channel {effect['id']}")
        state.remove(effect)
    return taken_back(removed, left, console)


def _put(
    administration: Administration,
    there: dict[str, Any] | None,
    wanted: dict[str, Any],
    settings: OneApi,
    state: State,
) -> int:
    """Make the channel, or update the one that is there; its id."""
    if there is None:
        number = administration.make(wanted)["id"]
    else:
        number = there["id"]
        administration.update(wanted | {"id": number})
    if number not in (one["id"] for one in state.made):
        state.add(CHANNEL, settings.channel, id=number, server=settings.server)
    return number


def _put_back(administration: Administration, there: dict[str, Any] | None, number: int, state: State) -> str:
    """After a failed test: the channel as it was before, or none where there was none."""
    try:
        if there is None:
            administration.delete(number)
        else:
            administration.update({name: there[name] for name in TOLD if name in there})
    except WorkError as error:
        return f"channel {number}, which does not work: {error.what}"
    if there is not None and owner(there) == state.run:
        return f"channel {number} as it was before, but for its key: One-API tells none"
    for effect in state.made:
        if effect["id"] == number:
            state.remove(effect)
    if there is None:
        return "no channel"
    return f"channel {number} as it was before ({owner(there)}), but for its key: One-API tells none"


def _run(served: Served) -> str:
    return f"{served.run_name}/{served.run_id}"


def _secret(name: str) -> str:
    found = secret_files.given(name)
    return found if isinstance(found, str) else ""


def _secret_problems(*, channel_too: bool = True) -> list[Problem]:
    found = [one for name in (TOKEN, KEY) if isinstance(one := secret_files.given(name), Problem)]
    if not found and not _secret(TOKEN):
        message = "is not set: One-API is administered with an access token"
        found.append(
            Problem(TOKEN, message, f"{TOKEN}=..., or {TOKEN}_FILE=FILE (personal settings, system token)")
        )
    if not found and channel_too:
        found += key_problems(KEY, _secret(KEY))
    return found
