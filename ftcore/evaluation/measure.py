"""Held-out cases and text put to the base and to the tuned model."""

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ftcore.config.schema import Evaluation, Experiment
from ftcore.data import bfcl
from ftcore.data.bfcl import Case
from ftcore.evaluation import heldout_text
from ftcore.evaluation.answers import Answers
from ftcore.evaluation.foreseen import Block
from ftcore.evaluation.heldout_text import HeldOut
from ftcore.evaluation.outcome import Side, outcome
from ftcore.runs.directory import RunDirectory

Report = Callable[..., None]


class Asked(Protocol):
    """A model that can be put questions: in this process, or served."""

    def answer(self, answers: Answers, done: Callable[[float], None]) -> None: ...

    def foresee(self, text: HeldOut, done: Callable[[int, int], None]) -> list[Block]: ...

    def close(self) -> None: ...


def held_out(settings: Evaluation, seed: int) -> list[Case]:
    """The cases to answer: a seeded draw of `cases` (0: all), then of `refusal_cases`."""
    if not settings.asks:
        return []
    calls = _draw(settings.categories, settings.cases, seed)
    return calls + _draw(settings.refusal_categories, settings.refusal_cases, seed)


def evaluate(e: Experiment, run: RunDirectory, report: Report) -> dict[str, Any]:
    """The contents of `evaluation.json`."""
    from ftcore.evaluation.in_process import InProcess

    sides = {who: InProcess(e, run, who) for who in ("base", "tuned")}
    return measure(e, held_out(e.evaluation, e.seed), sides, report)


def measure(
    e: Experiment, cases: list[Case], asked: Mapping[str, Asked], report: Report, folder: Path | None = None
) -> dict[str, Any]:
    """What `outcome` makes of the models' answers; in `folder`, each is kept as soon as it is there, and what
    was kept before is not asked again."""
    source = e.evaluation.perplexity.text
    text = heldout_text.read(source) if source is not None else None
    sides: dict[str, Side] = {}
    for number, (who, model) in enumerate(asked.items()):
        start = time.perf_counter()

        def done(count: float, offset: int = number * len(cases), who: str = who) -> None:
            report(int(offset + count), len(asked) * len(cases), "cases", model=who)

        def seen(count: int, of: int, number: int = number, who: str = who) -> None:
            report(number * of + count, len(asked) * of, "windows", model=who)

        answers = Answers(cases, folder and folder / f"{who}.jsonl")
        model.answer(answers, done)
        blocks = model.foresee(text, seen) if text is not None else []
        model.close()
        sides[who] = Side(answers.whole(), blocks, round(time.perf_counter() - start, 3))
    return outcome(e, cases, text, sides)


def _draw(categories: tuple[str, ...], count: int, seed: int) -> list[Case]:
    cases = [case for name in categories for case in bfcl.load_cases(name)]
    return random.Random(seed).sample(cases, count) if 0 < count < len(cases) else cases
