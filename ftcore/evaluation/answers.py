"""What a model answered, kept line by line, so that a stopped evaluation goes on."""

import fcntl
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftcore.config.errors import WorkError
from ftcore.data.bfcl import Case
from ftcore.evaluation import tools
from ftcore.evaluation.replies import Reply, parse_reply


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer to a case: its text, and the API's `tool_calls` where it was asked with `tools`."""

    text: str
    tool_calls: tuple[Any, ...] | None = None

    def reply(self, case: Case) -> Reply:
        """The calls in it. One that was asked with `tools` and makes none is a final answer."""
        if self.tool_calls is None:
            return parse_reply(self.text)
        made = tools.calls(case, self.tool_calls)
        return Reply(self.text, made, "" if made else self.text or "(no text)", ())

    def shown(self) -> str:
        """As a person reads it."""
        made = [json.dumps(one, ensure_ascii=False) for one in self.tool_calls or ()]
        return "\n".join(filter(None, [self.text, *made]))


Keep = Callable[[int, Answer], None]
"""To be called with a case's index and the answer to it, as soon as there is one."""


@dataclass(slots=True)
class Answers:
    """Answers of one model by the index of their case; `keep` puts one more there, and into `file`."""

    cases: Sequence[Case]
    file: Path | None = None
    known: dict[int, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            index = {case.id: number for number, case in enumerate(self.cases)}
            self.known = {index[name]: one for name, one in _read(self.file) if name in index}

    def keep(self, index: int, answer: Answer) -> None:
        self.known[index] = answer
        if self.file is not None:
            row = {"id": self.cases[index].id, "text": answer.text}
            if answer.tool_calls is not None:
                row["tool_calls"] = list(answer.tool_calls)
            with self.file.open("a", encoding="utf-8") as file:
                # In front too: a line that a kill tore off must not spoil this one.
                file.write("\n" + json.dumps(row, ensure_ascii=False) + "\n")

    def whole(self) -> list[Answer]:
        """All of them, in the order of the cases."""
        return [self.known[index] for index in range(len(self.cases))]


def _read(file: Path) -> Iterator[tuple[str, Answer]]:
    """Case ids and answers; a line that was torn by a kill is passed over."""
    for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            row = json.loads(line)
            calls = row.get("tool_calls")
            yield row["id"], Answer(row["text"], None if calls is None else tuple(calls))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold `folder` (made if need be) against a second process; WorkError where another one holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkError(f"another process is doing this evaluation: {folder}") from None
        yield
