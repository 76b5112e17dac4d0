"""What every place to serve a model is: a module of four functions, and a note of what it made."""

import importlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from ftcore.config.errors import Problem
from ftcore.config.schema import AnyTarget
from ftcore.deploy.served import Served
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import read_json, write_json
from ftcore.runs.record import now

MODULES = {
    "openai": "ftcore.deploy.openai.target",
    "xinference": "ftcore.deploy.xinference.target",
    "oneapi": "ftcore.deploy.oneapi.target",
    "fastgpt": "ftcore.deploy.fastgpt.target",
    "stack": "ftcore.deploy.stack.target",
    "lmdeploy": "ftcore.deploy.lmdeploy",
    "vllm": "ftcore.deploy.vllm",
}
"""`deploy.kind` -> the module that serves there."""

Effect = dict[str, Any]
"""One thing made outside of the run's directory: {"what", "name", "at", ...}; no secrets."""


@dataclass(frozen=True, slots=True)
class Up:
    """A model that is being served."""

    facts: dict[str, Any]
    """For `--json`: at least `url` (where clients go) and `model` (what they call it)."""

    wait: Callable[[], None] | None = None
    """Where this process is, or holds, what serves: returns once that has ended. Ctrl-C reaches it as
    KeyboardInterrupt; it then takes back what it made."""


class TargetModule(Protocol):
    """What the module of a target holds. All may raise WorkError; what was made then stays in `state`."""

    def problems(self, served: Served, settings: AnyTarget) -> list[Problem]:
        """What keeps the model from being served there; looks, and makes nothing."""

    def preview(self, served: Served, settings: AnyTarget) -> str:
        """For `--print`: the files, requests and commands that `up` would make, secrets left out."""

    def up(self, served: Served, settings: AnyTarget, state: "State", console: Console) -> Up:
        """Serve it, telling `state` of every effect as soon as it is made.

        Doing it again where it is done already changes nothing. `console` says nothing under `--json`.
        """

    def down(self, settings: AnyTarget, state: "State", console: Console) -> dict[str, Any]:
        """Take back what `state` says was made, newest first; facts for `--json`. The model may be gone."""


@dataclass(frozen=True, slots=True)
class State:
    """`deploy/<target>.json` in the run's directory: what was made and is to be taken back."""

    path: Path

    @classmethod
    def of(cls, run: RunDirectory, kind: str) -> "State":
        """The state of one target of a run; the file appears with the first effect."""
        return cls(run.path / "deploy" / f"{kind}.json")

    @property
    def run(self) -> str:
        """`NAME/RUN_ID` of the run whose state this is."""
        folder = self.path.parent.parent
        return f"{folder.parent.name}/{folder.name}"

    @property
    def made(self) -> list[Effect]:
        """Effects, oldest first."""
        return (read_json(self.path) or {"made": []})["made"]

    def add(self, what: str, name: str, **more: Any) -> None:
        """Write down that `what` (a channel, a registration, a process) named `name` was made just now."""
        self._write([*self.made, {"what": what, "name": name, "at": now(), **more}])

    def remove(self, effect: Effect) -> None:
        """Write down that `effect` was taken back; the file goes with the last one."""
        self._write([one for one in self.made if one != effect])

    def _write(self, made: list[Effect]) -> None:
        if made:
            self.path.parent.mkdir(exist_ok=True)
            write_json(self.path, {"target": self.path.stem, "made": made})
        else:
            self.path.unlink(missing_ok=True)
            with suppress(OSError):  # another target's state is there, or none ever was
                self.path.parent.rmdir()

    def __str__(self) -> str:
        """What was made, for a message: `channel ftcore-llama, process 4711`; nothing where nothing was."""
        return ", ".join(f"{one['what']} {one['name']}" for one in self.made)


def taken_back(
    removed: list[str], left: list[str], console: Console, why: str = "left alone, no longer this run's"
) -> dict[str, Any]:
    """What `down` answers, told: what it took back, and what it left, and why."""
    console.print(f"taken back: {', '.join(removed) or 'nothing'}")
    if left:
        console.print(f"{why}: {', '.join(left)}")
    return {"removed": removed, "left": left}


def module_of(kind: str) -> TargetModule:
    """The module that serves at a target; heavy packages are imported by its `up` alone."""
    return importlib.import_module(MODULES[kind])  # type: ignore[return-value]
