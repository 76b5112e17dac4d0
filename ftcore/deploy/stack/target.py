"""`deploy=stack`: a folder with a compose file, its secrets and FastGPT's configuration. Starts nothing."""

import hashlib
import secrets
import socket
from pathlib import Path
from typing import Any

from rich.console import Console

from ftcore.config import plain_yaml
from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.config.schema import Stack
from ftcore.deploy import secret_files
from ftcore.deploy.fastgpt.config_text import MINIMAL, with_entry
from ftcore.deploy.fastgpt.entry import IN_DATABASE, release
from ftcore.deploy.fastgpt.target import entry_of, entry_problems, made_for
from ftcore.deploy.kept import keep
from ftcore.deploy.served import Served
from ftcore.deploy.stack.compose import compose, env_text, missing_secrets, read_env, served_path
from ftcore.deploy.target import State, Up
from ftcore.runs.directory import RunDirectory, command_line
from ftcore.runs.files import indented, write_text

COMPOSE, ENV, CONFIG = "compose.yaml", ".env", "config.json"
HEADER = "# Written by ftcore for run {run}; secrets are in .env beside it.\n"
ENV_HEADER = (
    "# Written by ftcore for compose.yaml. The databases keep these passwords: delete it with their data.\n"
)
OURS = "# Written by ftcore "
PORTS = ("fastgpt_port", "oneapi_port", "xinference_port")
FILE = "file"


def problems(served: Served, settings: Stack) -> list[Problem]:
    found = [*entry_problems(served, settings), *_version_problems(settings), *_port_problems(settings)]
    folder = _folder(settings)
    if folder.exists() and not folder.is_dir():
        return [*found, Problem("deploy.folder", f"{folder} is no folder", "a folder, or a new name")]
    if theirs := _not_ours(folder):
        message = f"{folder} holds {', '.join(theirs)}, which ftcore did not write"
        found.append(Problem("deploy.folder", message, "another folder"))
    if not found:
        merged = _config(served, settings)
        found += merged if isinstance(merged, list) else []
    return found


def preview(served: Served, settings: Stack) -> str:
    return _compose_text(served, settings)


def up(served: Served, settings: Stack, state: State, console: Console) -> Up:
    folder = _folder(settings)
    config = _config(served, settings)
    if isinstance(config, list):
        raise RequestError(config)
    folder.mkdir(parents=True, exist_ok=True)
    env = read_env(_read(folder / ENV))
    if new := missing_secrets(env, lambda digits: secrets.token_hex(digits // 2)):
        secret_files.write(folder / ENV, ENV_HEADER + env_text(env | new))
    if (before := _read(folder / CONFIG)) not in ("", config):
        keep(folder / CONFIG, before)
    write_text(folder / CONFIG, config)
    _note(state, folder / CONFIG)
    write_text(folder / COMPOSE, _compose_text(served, settings))
    _note(state, folder / COMPOSE, listen=settings.listen, ports=_ports(settings))
    start = f"docker compose -f {folder / COMPOSE} up -d"
    url = f"http://{settings.listen}:{settings.fastgpt_port}"
    console.print(
        f"{folder}: {COMPOSE}, {ENV} (mode 600), {CONFIG} ({served.model_name}, {made_for(served, settings)})"
    )
    console.print(f"  start it: {start}", markup=False)
    console.print("  then: " + "\n        ".join(_then(served, settings, folder)), markup=False)
    return Up({"url": url, "model": served.model_name, "folder": str(folder), "start": start})


def down(settings: Stack, state: State, console: Console) -> dict[str, Any]:
    started = next((effect for effect in state.made if "ports" in effect), None)
    if started and (busy := _in_use(started["listen"], started["ports"])):
        raise WorkError(
            f"port {', '.join(map(str, busy))} of {started['listen']} still answers",
            kept=f"all of {Path(started['name']).parent}",
            goes_on=f"docker compose -f {started['name']} down (-v deletes its data too), then this again",
        )
    removed, left = [], []
    for effect in reversed(state.made):
        file = Path(effect["name"])
        there = _read(file)
        mine = hashlib.sha256(there.encode()).hexdigest() == effect["sha256"]
        if mine:
            file.unlink()
        (removed if mine else left).append(str(file))
        state.remove(effect)
    console.print(f"removed: {', '.join(removed) or 'nothing'}")
    if started:
        console.print(f"kept: {Path(started['name']).parent / ENV}, whose passwords the databases' data has")
    if left:
        console.print(f"left alone, changed since or gone: {', '.join(left)}")
    return {"removed": removed, "left": left}


def _compose_text(served: Served, settings: Stack) -> str:
    run = f"{served.run_name}/{served.run_id}"
    return HEADER.format(run=run) + plain_yaml.dump(compose(settings, str(served.folder)))


def _config(served: Served, settings: Stack) -> str | list[Problem]:
    """FastGPT's config.json with the model in it, made of the one that is there already."""
    text = _read(_folder(settings) / CONFIG) or indented(MINIMAL, {}) + "\n"
    return with_entry(text, settings.version, entry_of(served, settings))


def _then(served: Served, settings: Stack, folder: Path) -> list[str]:
    """The commands that put the model behind the started containers; passwords come from .env."""
    host, name, key = settings.listen, served.model_name, folder / "xinference.key"
    run = RunDirectory(served.folder.parent)
    return [
        f"set -a; . {folder / ENV}; set +a",
        "XINFERENCE_SETUP_TOKEN=... "
        + command_line(
            "deploy",
            run,
            "deploy=xinference",
            f"deploy.server=http://{host}:{settings.xinference_port}",
            f"deploy.model_name={name}",
            f"deploy.model_path={served_path(name)}",
            f"deploy.key_file={key}",
        ),
        f"ONEAPI_CHANNEL_KEY_FILE={key} "
        + command_line(
            "deploy",
            run,
            "deploy=oneapi",
            f"deploy.server=http://{host}:{settings.oneapi_port}",
            f"deploy.model_name={name}",
            "deploy.upstream=http://xinference:9997/v1",
        ),
    ]


def _version_problems(settings: Stack) -> list[Problem]:
    found, tag = [], settings.images.fastgpt.rpartition(":")[2]
    if release(settings.version) >= IN_DATABASE:
        message = f"the stack is that of FastGPT before 4.8.20; {settings.version} wants other services"
        found.append(Problem("deploy.version", message, "4.8.5 to 4.8.19"))
    if release(tag) != release(settings.version):
        message = f"{tag} is not the version {settings.version} that config.json is written for"
        found.append(Problem("deploy.images.fastgpt", message, f"the image of {settings.version}"))
    for name, image in settings.images.model_dump().items():
        if image.endswith(":latest"):
            found.append(Problem(f"deploy.images.{name}", "latest is another image every month", "a version"))
    return found


def _port_problems(settings: Stack) -> list[Problem]:
    ports = _ports(settings)
    found = [
        Problem(f"deploy.{name}", f"{port} is given twice", "a port of its own")
        for name, port in zip(PORTS, ports, strict=True)
        if ports.count(port) > 1
    ]
    # Where its own containers answer already, the ports are taken by what is to be updated.
    if found or (_folder(settings) / COMPOSE).exists():
        return found
    busy = _in_use(settings.listen, ports)
    return [
        Problem(f"deploy.{name}", f"port {port} of {settings.listen} is in use", "a free port")
        for name, port in zip(PORTS, ports, strict=True)
        if port in busy
    ]


def _ports(settings: Stack) -> list[int]:
    return [getattr(settings, name) for name in PORTS]


def _in_use(listen: str, ports: list[int]) -> list[int]:
    """Those that something listens on, or that cannot be had."""
    busy = []
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((listen, port))
            except OSError:
                busy.append(port)
    return busy


def _not_ours(folder: Path) -> list[str]:
    """Files in the way. JSON holds no remark: FastGPT's configuration is ours where the secrets are."""
    found = [name for name in (COMPOSE, ENV) if (text := _read(folder / name)) and not text.startswith(OURS)]
    if (folder / CONFIG).exists() and not _read(folder / ENV).startswith(OURS):
        found.append(CONFIG)
    return found


def _folder(settings: Stack) -> Path:
    return Path(settings.folder).expanduser().absolute()


def _note(state: State, file: Path, **more: Any) -> None:
    for effect in state.made:
        if effect["name"] == str(file):
            state.remove(effect)
    state.add(FILE, str(file), sha256=hashlib.sha256(file.read_bytes()).hexdigest(), **more)


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""
