"""`deploy=lmdeploy`: the command of `lmdeploy serve api_server` (options as of LMDeploy 0.18.0)."""

from typing import Any

from rich.console import Console

from ftcore.config.errors import Problem
from ftcore.config.schema import LmDeploy
from ftcore.deploy.served import Served
from ftcore.deploy.server_command import nothing_made, text, told
from ftcore.deploy.target import State, Up

DTYPES = {"auto": "auto", "fp16": "float16", "bf16": "bfloat16"}


def command(served: Served, settings: LmDeploy) -> list[str]:
    """The words of the command. The chat template is the folder's own: LMDeploy takes it from there."""
    words = [
        "lmdeploy", "serve", "api_server", str(served.folder),
        "--model-name", served.model_name,
        "--server-name", settings.host,
        "--server-port", str(settings.port),
        "--backend", settings.backend,
        "--session-len", str(served.context_length),
        "--dtype", DTYPES[settings.dtype],
        "--tp", str(settings.tensor_parallel),
        "--cache-max-entry-count", str(settings.cache_share),
    ]  # fmt: skip
    if settings.backend == "pytorch":
        words += ["--device", settings.device]
    if settings.tool_parser is not None:
        words += ["--tool-call-parser", settings.tool_parser]
    return words


def problems(served: Served, settings: LmDeploy) -> list[Problem]:
    found = []
    if settings.device != "cuda" and settings.backend != "pytorch":
        message = f"turbomind runs on cuda alone, not on {settings.device}"
        found.append(Problem("deploy.backend", message, "pytorch"))
    if settings.tensor_parallel & (settings.tensor_parallel - 1):
        message = f"{settings.tensor_parallel} is no power of two"
        found.append(Problem("deploy.tensor_parallel", message, "1, 2, 4, 8, ..."))
    if served.chat_template is None:
        found.append(Problem("deploy.model_name", "the model has no chat template, and LMDeploy makes none"))
    return found


def preview(served: Served, settings: LmDeploy) -> str:
    return text(command(served, settings))


def up(served: Served, settings: LmDeploy, state: State, console: Console) -> Up:
    address = (settings.host, settings.port)
    return told(command(served, settings), served, address, settings.tool_parser, console)


def down(settings: LmDeploy, state: State, console: Console) -> dict[str, Any]:
    return nothing_made(state, console)
