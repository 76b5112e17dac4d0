"""`deploy=vllm`: the command of `vllm serve` (options as of vLLM 0.33.0)."""

from typing import Any

from rich.console import Console

from ftcore.config.errors import Problem
from ftcore.config.schema import Vllm
from ftcore.deploy.served import Served
from ftcore.deploy.server_command import nothing_made, text, told
from ftcore.deploy.target import State, Up

DTYPES = {"auto": "auto", "fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def command(served: Served, settings: Vllm) -> list[str]:
    """The words of the command."""
    words = [
        "vllm", "serve", str(served.folder),
        "--served-model-name", served.model_name,
        "--host", settings.host,
        "--port", str(settings.port),
        "--max-model-len", str(served.context_length),
        "--dtype", DTYPES[settings.dtype],
        "--tensor-parallel-size", str(settings.tensor_parallel),
        "--gpu-memory-utilization", str(settings.memory_share),
    ]  # fmt: skip
    template = served.folder / "chat_template.jinja"
    if template.is_file():
        words += ["--chat-template", str(template)]
    if settings.tool_parser is not None:
        words += ["--enable-auto-tool-choice", "--tool-call-parser", settings.tool_parser]
    return words


def problems(served: Served, settings: Vllm) -> list[Problem]:
    return []


def preview(served: Served, settings: Vllm) -> str:
    return text(command(served, settings))


def up(served: Served, settings: Vllm, state: State, console: Console) -> Up:
    address = (settings.host, settings.port)
    return told(command(served, settings), served, address, settings.tool_parser, console)


def down(settings: Vllm, state: State, console: Console) -> dict[str, Any]:
    return nothing_made(state, console)
