"""Answers and losses of both models -> the contents of `evaluation.json`."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.data import wording
from ftcore.data.bfcl import SCORED_BY_BFCL, Case
from ftcore.evaluation import foreseen, scoring
from ftcore.evaluation.answers import Answer
from ftcore.evaluation.bfcl_rules import verdict
from ftcore.evaluation.foreseen import Block
from ftcore.evaluation.heldout_text import HeldOut
from ftcore.evaluation.paired import Verdicts, differences


@dataclass(frozen=True, slots=True)
class Side:
    """What one model did: an answer a case in order, blocks of the held-out text (none where it was not
    read), and how long it took."""

    answers: Sequence[Answer]
    blocks: Sequence[Block]
    seconds: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One model's answers as verdicts, as measures, and as what the file keeps of each case."""

    verdicts: Sequence[Verdicts]
    measures: dict[str, Any]
    scores: Sequence[dict[str, Any]]


def outcome(
    e: Experiment, cases: Sequence[Case], text: HeldOut | None, sides: Mapping[str, Side]
) -> dict[str, Any]:
    """`sides` are "base" and "tuned", or "tuned" alone; "difference" is empty then."""
    judge = _by_bfcl if e.evaluation.kind == "bfcl" else _by_parts
    judged = {who: judge(side.answers, cases) for who, side in sides.items()} if e.evaluation.asks else {}
    found: dict[str, Any] = {
        "dataset": ", ".join(filter(None, ["BFCL v4" if cases else "", text.name if text else ""])),
        "settings": e.evaluation.model_dump(mode="json"),
        "base": {},
        **{who: judged[who].measures if judged else {} for who in sides},
        "difference": {},
    }
    if len(judged) == 2:
        found["difference"] = differences(judged["base"].verdicts, judged["tuned"].verdicts)
    if text is not None:
        found["text"] = {"name": text.name, "sha256": text.sha256}
        compared = foreseen.compare(sides["base"].blocks, sides["tuned"].blocks, e.seed)
        for part, figures in compared.items():
            found[part] = {**found[part], "perplexity": figures}
    for who, side in sides.items():
        found[who] = {**found[who], "seconds": side.seconds}
    found["cases"] = [
        {
            "id": case.id,
            "category": case.category,
            "prompt": case.question,
            "expected": _expected(case),
            **{who: side.answers[index].shown() for who, side in sides.items()},
            **{f"{who}_score": judged[who].scores[index] for who in sides},
        }
        for index, case in enumerate(cases)
    ]
    return found


def _by_parts(answers: Sequence[Answer], cases: Sequence[Case]) -> Judged:
    """Form, tool, arguments and refusals apart."""
    scores = [scoring.score(one.reply(case), case) for one, case in zip(answers, cases, strict=True)]
    return Judged(
        [scoring.verdicts(one) for one in scores],
        scoring.summarise(scores),
        [dataclasses.asdict(one) for one in scores],
    )


def _by_bfcl(answers: Sequence[Answer], cases: Sequence[Case]) -> Judged:
    """BFCL's verdict, over all cases and over those of each category; the form of the reply beside it."""
    replies = [one.reply(case) for one, case in zip(answers, cases, strict=True)]
    found = [verdict(reply, case) for reply, case in zip(replies, cases, strict=True)]
    verdicts = [
        {"correct": one.correct, case.category: one.correct, "well_formed": reply.well_formed}
        for one, case, reply in zip(found, cases, replies, strict=True)
    ]
    measures = dict.fromkeys(["correct", *(case.category for case in cases), "well_formed"])
    return Judged(
        verdicts,
        scoring.shares(verdicts, measures),
        [
            {"correct": one.correct, "well_formed": reply.well_formed, "error": one.error}
            for one, reply in zip(found, replies, strict=True)
        ],
    )


def _expected(case: Case) -> str:
    if case.category in SCORED_BY_BFCL:
        return "\n".join(json.dumps(one, ensure_ascii=False) for one in case.accepted) or "(any call)"
    return wording.right_reply(case)
