"""BFCL cases answered by the base and by the tuned model, scored by BFCL's rules."""

import dataclasses
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ftcore.config.schema import Evaluation, Experiment
from ftcore.data import bfcl, wording
from ftcore.data.bfcl import Case
from ftcore.data.templates import prompt_template
from ftcore.evaluation.generate import replies, stop_ids
from ftcore.evaluation.replies import parse_reply
from ftcore.evaluation.scoring import Score, score, summarise
from ftcore.models.load import DTYPES, load_model, load_tokenizer
from ftcore.runs.directory import RunDirectory

Report = Callable[..., None]


def held_out(settings: Evaluation, seed: int) -> list[Case]:
    """The cases to answer: a seeded draw of `cases` (0: all), then of `refusal_cases`."""
    calls = _draw(settings.categories, settings.cases, seed)
    return calls + _draw(settings.refusal_categories, settings.refusal_cases, seed)


def evaluate(e: Experiment, run: RunDirectory, report: Report) -> dict[str, Any]:
    """The contents of `evaluation.json`."""
    cases = held_out(e.evaluation, e.seed)
    answers: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for number, who in enumerate(("base", "tuned")):
        start = time.perf_counter()

        def done(count: float, offset: int = number * len(cases), who: str = who) -> None:
            report(int(offset + count), 2 * len(cases), "cases", model=who)

        answers[who] = _answers(e, run, who, cases, done)
        seconds[who] = round(time.perf_counter() - start, 3)
    scores = {who: [score(parse_reply(text), case) for text, case in zip(texts, cases, strict=True)]
              for who, texts in answers.items()}  # fmt: skip
    return {
        "dataset": "BFCL v4",
        "settings": e.evaluation.model_dump(mode="json"),
        **{who: summarise(scores[who]) | {"seconds": seconds[who]} for who in answers},
        "cases": [_case(case, index, answers, scores) for index, case in enumerate(cases)],
    }


def _draw(categories: tuple[str, ...], count: int, seed: int) -> list[Case]:
    cases = [case for name in categories for case in bfcl.load_cases(name)]
    return random.Random(seed).sample(cases, count) if 0 < count < len(cases) else cases


def _answers(
    e: Experiment, run: RunDirectory, who: str, cases: list[Case], done: Callable[[float], None]
) -> list[str]:
    device = "cpu" if e.hardware.accelerator == "cpu" else "cuda"
    dtype = DTYPES[e.precision.dtype]
    path = Path(e.model.path) if who == "base" else run.merged
    if who == "tuned" and not run.merged.is_dir():
        from peft import PeftModel

        base = load_model(e.model.path, e.model, dtype, device)
        model, path = PeftModel.from_pretrained(base, run.adapter).eval(), run.adapter
    else:
        model = load_model(path, e.model, dtype, device)
    settings = e.evaluation
    prompts = [wording.prompt_messages(case) for case in cases]
    tokenizer = load_tokenizer(path, e.model)
    words = prompt_template(e.model.template).get("STOP_WORDS", ())
    stops = stop_ids(tokenizer, e.model.stop_tokens, words)
    texts = replies(model, tokenizer, prompts, stops, settings.max_new_tokens, settings.batch_size, done)
    del model
    if device == "cuda":
        torch.cuda.empty_cache()
    return texts


def _case(
    case: Case, index: int, answers: dict[str, list[str]], scores: dict[str, list[Score]]
) -> dict[str, Any]:
    return {
        "id": case.id,
        "category": case.category,
        "prompt": case.question,
        "expected": wording.right_reply(case),
        **{who: answers[who][index] for who in answers},
        **{f"{who}_score": dataclasses.asdict(scores[who][index]) for who in scores},
    }
