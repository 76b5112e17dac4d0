"""`deploy=xinference`: the model registered, launched and asked once on a running Xinference server."""

import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ftcore.config.errors import Problem, WorkError
from ftcore.config.schema import Xinference
from ftcore.deploy import secret_files
from ftcore.deploy.served import Served
from ftcore.deploy.target import State, Up, taken_back
from ftcore.deploy.xinference.registration import (
    NAME,
    again,
    engine,
    launch,
    owner,
    registration,
    same,
)
from ftcore.deploy.xinference.server import Connection, connect

REGISTRATION, MODEL, KEY = "registration", "model", "api key"


@dataclass(frozen=True, slots=True)
class There:
    """What a server has under the model's name already."""

    registered: dict[str, Any] | None
    running: dict[str, Any] | None


def problems(served: Served, settings: Xinference) -> list[Problem]:
    found = []
    if not NAME.match(served.model_name):
        message = f"Xinference takes no {served.model_name}"
        found.append(Problem("deploy.model_name", message, "a name without + \\ / ? % # & = and spaces"))
    if settings.model_path is not None and not settings.model_path.startswith("/"):
        found.append(
            Problem("deploy.model_path", f"{settings.model_path} is no absolute path", "/models/...")
        )
    if settings.key_file is not None and not Path(settings.key_file).absolute().parent.is_dir():
        message = f"there is no folder {Path(settings.key_file).absolute().parent}"
        found.append(Problem("deploy.key_file", message, "a file in a folder that is there"))
    if found:
        return found
    connection = connect(settings, set_up=False)
    return [] if connection.needs_setup else _taken(_there(connection, served.model_name), served.model_name)


def preview(served: Served, settings: Xinference) -> str:
    connection = connect(settings, set_up=False)
    # Servers that ask for a first administrator are newer than generation 1.
    number = 2 if connection.needs_setup else connection.generation()
    spec = registration(served, settings, number)
    url = connection.server.url
    first = f"POST {url}/v1/admin/setup\n\n" if connection.needs_setup else ""
    return (
        f"{first}POST {url}/v1/model_registrations/LLM\n{_pretty(spec)}\n\n"
        f"POST {url}/v1/models\n{_pretty(launch(spec, settings))}\n"
    )


def up(served: Served, settings: Xinference, state: State, console: Console) -> Up:
    connection = connect(settings, set_up=True)
    name, version = served.model_name, connection.version()
    there = _there(connection, name)
    if taken := _taken(there, name):
        raise WorkError(str(taken[0]))
    spec = registration(served, settings, connection.generation())
    done = there.running is not None and there.registered is not None and same(there.registered, spec)
    if not done:
        _replace(connection, there, spec, settings, state, console)
    elif not state.made:
        _note(state, connection, name, state.run, REGISTRATION, MODEL)
    with console.status(f"asking {name} for a reply"):
        text = connection.reply(name, "chat" in served.abilities)
    url = f"{connection.server.url}/v1"
    verb = "is served already" if done else "is served"
    console.print(f"{name} {verb} at {url} (Xinference {version}, {settings.engine}); it answers {text!r}")
    _client_key(connection, settings, state, console)
    return Up({"url": url, "model": name, "version": version, "reply": text, "changed": not done})


def down(settings: Xinference, state: State, console: Console) -> dict[str, Any]:
    if not state.made:
        console.print("nothing of this run is on Xinference")
        return {"removed": []}
    removed, left = [], []
    for effect in reversed(state.made):
        connection = connect(settings.model_copy(update={"server": effect["server"]}), set_up=False)
        if effect["what"] == KEY:
            connection.delete_key(effect["id"])
            Path(effect["file"]).unlink(missing_ok=True)
            removed.append(f"{KEY} {effect['name']}")
        elif _is_of(connection, effect, state):
            (connection.terminate if effect["what"] == MODEL else connection.unregister)(effect["name"])
            removed.append(f"{effect['what']} {effect['name']}")
        else:
            left.append(f"{effect['what']} {effect['name']}")
        state.remove(effect)
    return taken_back(removed, left, console)


def _there(connection: Connection, name: str) -> There:
    return There(connection.registration(name), connection.running(name))


def _taken(there: There, name: str) -> list[Problem]:
    for what, found in (("registered", there.registered), ("running", there.running)):
        if found is not None and owner(found) is None:
            message = f"{name} is {what} on the server already, and not by ftcore"
            return [Problem("deploy.model_name", message, "another name", f"deploy.model_name={name}-tuned")]
    return []


def _replace(
    connection: Connection,
    there: There,
    spec: dict[str, Any],
    settings: Xinference,
    state: State,
    console: Console,
) -> None:
    """Take away what the name stands for, register and launch `spec`; on failure, put back what was there."""
    name = spec["model_name"]
    for effect in list(state.made):  # what an earlier deployment of this very run made goes with the rest
        if effect["what"] != KEY and effect["name"] == name and effect["server"] == connection.server.url:
            state.remove(effect)
    with console.status(f"launching {name} with {settings.engine}"):
        if there.running:
            connection.terminate(name)
        if there.registered:
            connection.unregister(name)
        try:
            connection.register(spec)
            state.add(REGISTRATION, name, server=connection.server.url)
            connection.launch(launch(spec, settings), settings.launch_seconds)
            state.add(MODEL, name, server=connection.server.url)
        except BaseException as error:
            kept = _put_back(connection, there, name, settings, state)
            if isinstance(error, WorkError):
                raise WorkError(error.what, kept=kept) from None
            raise


def _put_back(connection: Connection, there: There, name: str, settings: Xinference, state: State) -> str:
    """After a failed launch: nothing of it stays; what was served before is served again."""
    with suppress(WorkError):
        connection.terminate(name)
    with suppress(WorkError):
        connection.unregister(name)
        for effect in state.made:
            if effect["what"] == REGISTRATION and effect["name"] == name:
                state.remove(effect)
    if there.registered is None:
        return "nothing on the server; the model in the run's directory"
    before = owner(there.registered)
    try:
        spec = again(there.registered)
        connection.register(spec)
        _note(state, connection, name, before, REGISTRATION)
        if there.running:
            # What it was launched with beyond its engine, the server does not say.
            update = {"engine": engine(there.registered) or settings.engine, "launch_options": {}}
            old = settings.model_copy(update=update)
            connection.launch(launch(spec, old), settings.launch_seconds)
            _note(state, connection, name, before, MODEL)
    except WorkError as error:
        return f"not even {before}, which was served before: {error.what}"
    return f"{before}, which is served again"


def _is_of(connection: Connection, effect: dict[str, Any], state: State) -> bool:
    """Whether what has that name on the server is this run's, and not that of one deployed after it."""
    found = connection.running(effect["name"]) if effect["what"] == MODEL else None
    found = found or connection.registration(effect["name"])
    return found is not None and owner(found) == state.run


def _note(state: State, connection: Connection, name: str, run: str | None, *what: str) -> None:
    """Write down what is on the server, where it is of this very run."""
    for one in what if run == state.run else ():
        state.add(one, name, server=connection.server.url)


def _client_key(connection: Connection, settings: Xinference, state: State, console: Console) -> None:
    """An API key for clients in a file, once; a token of the login is gone in half an hour."""
    if settings.key_file is None or connection.server.authorization is None:
        return
    file = Path(settings.key_file).absolute()
    if file.exists() and any(one["what"] == KEY and one["file"] == str(file) for one in state.made):
        return
    name = f"ftcore-{state.run.rpartition('/')[2]}-{secrets.token_hex(2)}"  # two of one name are refused
    number, key = connection.make_key(name)
    state.add(KEY, name, id=number, file=str(file), server=connection.server.url)
    secret_files.write(file, f"{key}\n")
    console.print(f"key for clients: {file}")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
