"""What commands that serve a model have in common: they are told, not run."""

import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from ftcore.deploy import folder
from ftcore.deploy.served import Served
from ftcore.deploy.target import State, Up


def text(command: Sequence[str]) -> str:
    """The command as a shell takes it, an option a line."""
    lines: list[list[str]] = [[]]
    for word in command:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(shlex.join(line) for line in lines) + "\n"


def notes(served: Served, tool_parser: str | None) -> list[str]:
    """What the server cannot be told by an option."""
    found = []
    own = folder.eos_ids(served.folder)
    if missing := [number for number in served.stop_token_ids if number not in own]:
        found.append(f"the folder does not say that replies end at {missing}: clients send stop_token_ids")
    if "tools" in served.abilities:
        found.append(
            "tool calls: it was trained on Thought / Action / Action Input, which "
            + (f"the parser {tool_parser} does not read" if tool_parser else "no parser of the server reads")
            + "; deploy=openai deploy.upstream=... in front of it does"
        )
    return found


def told(
    command: Sequence[str],
    served: Served,
    address: tuple[str, int],
    tool_parser: str | None,
    console: Console,
) -> Up:
    """The command and its notes, said; nothing is started."""
    url, hints = f"http://{address[0]}:{address[1]}/v1", notes(served, tool_parser)
    console.print(text(command), end="", markup=False)
    for hint in hints:
        console.print(f"# {hint}", markup=False)
    return Up({"url": url, "model": served.model_name, "command": list(command), "notes": hints})


def nothing_made(state: State, console: Console) -> dict[str, Any]:
    """Nothing was started, so that there is nothing to take back."""
    console.print("nothing was started from here: end the server where it runs")
    return {"removed": []}
