"""One measured program in a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST_REASON = 200


class Failed(Exception):
    """Why there is nothing to measure, in a line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program left."""

    output: str
    seconds: float


def run(
    command: Sequence[str], env: Mapping[str, str], folder: Path, log: Path, limit_seconds: float
) -> Answer:
    """Run `command` in `folder`, all its output into `log`; Failed with the reason it gave last.

    A process group of its own: ftcore's ranks are children of the command, and all must go when time is up.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"not done in {limit_seconds:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = log.read_text(encoding="utf-8", errors="replace")
    if code:
        raise Failed(reason(text) or f"exit code {code}")
    return Answer(text, time.monotonic() - began)


def reason(text: str) -> str | None:
    """The last line that names an error, else the last line at all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any("OutOfMemoryError" in line or "CUDA out of memory" in line for line in lines):
        return "out of memory"
    errors = [line for line in lines if "Error: " in line or line.endswith("Error")]
    telling = errors or lines
    return telling[-1][:LONGEST_REASON] if telling else None


def last_json(text: str) -> dict:
    """The last line that is a JSON object; Failed where there is none."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(json.JSONDecodeError):
                return json.loads(line)
    raise Failed("it ended without a result")
