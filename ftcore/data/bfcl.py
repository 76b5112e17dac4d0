"""Berkeley Function-Calling Leaderboard v4: its questions as cases.

Source: the data folder of the package bfcl-eval (Apache-2.0), read without importing it: its modules
need vendor SDKs that nothing here uses.
"""

import difflib
import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CATEGORIES = (
    "simple_python",
    "multiple",
    "parallel",
    "parallel_multiple",
    "irrelevance",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
    "live_irrelevance",
)
SCORED_BY_BFCL = ("simple_java", "simple_javascript", "live_relevance")
"""Read for being measured alone: their answers are not in the form that is taught, or there are none."""

MEASURED = CATEGORIES + SCORED_BY_BFCL
TRAIN = ("simple_python", "live_simple", "live_irrelevance")
HELD_OUT = ("multiple",)
REFUSAL = ("irrelevance",)

INSTALL = "pip install --no-deps bfcl-eval==2026.3.23"


class BfclError(Exception):
    """The leaderboard's data is missing, malformed, or asked for in a way that spoils the evaluation."""


@dataclass(frozen=True, slots=True)
class Case:
    """One single-turn question.

    functions: BFCL's schemas, {"name", "description", "parameters": {"properties", "required"}}.
    accepted: BFCL's possible answers, one {name: {argument: [accepted values]}} for each call that is
    due; an accepted "" means that the argument may be left out. Empty where every tool is irrelevant.
    """

    id: str
    category: str
    question: str
    functions: tuple[dict[str, Any], ...]
    accepted: tuple[dict[str, dict[str, list[Any]]], ...]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """cases: what may be trained on, in category and file order; dropped: ids left out as held out."""

    cases: tuple[Case, ...]
    dropped: tuple[str, ...]


def data_folder() -> Path:
    """The data folder of the installed bfcl-eval; BfclError, with the command to install it, if absent."""
    spec = importlib.util.find_spec("bfcl_eval")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(location) / "data").is_dir():
            return Path(location) / "data"
    raise BfclError(f"the package bfcl-eval is not installed; install it with: {INSTALL}")


def load_cases(category: str, folder: Path | None = None) -> list[Case]:
    """Every case of a category, in file order; `folder` stands in for the installed package's data.

    Raises BfclError for an unknown category, a missing file, or a bad row (with file and line).
    """
    if category not in MEASURED:
        raise _unknown(category, MEASURED)
    folder = folder or data_folder()
    questions = folder / f"BFCL_v4_{category}.json"
    answers = folder / "possible_answer" / f"BFCL_v4_{category}.json"
    without_answers = category.endswith("relevance")  # irrelevance too
    parse = _calls if category in SCORED_BY_BFCL else _accepted
    accepted = {} if without_answers else _read(answers, parse)
    cases = [
        Case(case_id, category, question, functions, accepted.pop(case_id, ()))
        for case_id, (question, functions) in _read(questions, _question).items()
    ]
    unanswered = [case.id for case in cases if not without_answers and not case.accepted]
    unknown = [
        case.id
        for case in cases
        if {name for call in case.accepted for name in call} - {f["name"] for f in case.functions}
    ]
    if unanswered or accepted or unknown:
        raise BfclError(
            f"{answers}: questions without an answer: {unanswered}; answers without a question: "
            f"{list(accepted)}; answers that call a tool not offered: {unknown}"
        )
    return cases


def _unknown(category: str, known: Sequence[str]) -> BfclError:
    near = difflib.get_close_matches(category, known, n=1, cutoff=0.0)[0]
    left_out = "multi-turn and agentic categories are not read"
    if known is CATEGORIES:
        left_out = "multi-turn, agentic, Java and JavaScript categories are not trained on"
    text = f"unknown category {category!r}; did you mean {near!r}? Known: {', '.join(known)} ({left_out})"
    return BfclError(text)


def training_cases(
    train: Sequence[str] = TRAIN, held_out: Sequence[str] = HELD_OUT + REFUSAL, folder: Path | None = None
) -> TrainingSet:
    """The cases of `train` less those whose question, in any spelling, is also asked in `held_out`.

    Raises BfclError if a category is in both, for a score on trained questions measures memory, or is none
    to train on.
    """
    for category in train:
        if category not in CATEGORIES:
            raise _unknown(category, CATEGORIES)
    both = sorted(set(train) & set(held_out))
    if both:
        raise BfclError(f"categories both trained on and held out: {', '.join(both)}")
    asked = {normalised(case.question) for category in held_out for case in load_cases(category, folder)}
    cases = [case for category in train for case in load_cases(category, folder)]
    seen = {case.id for case in cases if normalised(case.question) in asked}
    return TrainingSet(
        tuple(case for case in cases if case.id not in seen),
        tuple(case.id for case in cases if case.id in seen),
    )


def normalised(question: str) -> str:
    """A question's letters and digits in one case: what two spellings of it have in common."""
    return re.sub(r"[\W_]+", "", question.casefold())


def _read(path: Path, parse: Any) -> dict[str, Any]:
    """{id: parsed row} of a file of JSON lines, in file order; BfclError with file and line."""
    rows: dict[str, Any] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise BfclError(f"{path}: {error.strerror}; reinstall the data with: {INSTALL}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            _require(isinstance(row, dict) and isinstance(row.get("id"), str), "not an object with an id")
            _require(row["id"] not in rows, f"second row with id {row.get('id')!r}")
            rows[row["id"]] = parse(row)
        except ValueError as error:
            raise BfclError(f"{path}, line {number}: {error}") from error
    return rows


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _question(row: dict[str, Any]) -> tuple[str, tuple[dict[str, Any], ...]]:
    turns, functions = row.get("question"), row.get("function")
    _require(
        isinstance(turns, list) and len(turns) == 1 and isinstance(turns[0], list) and bool(turns[0]),
        "question is not one turn of messages",
    )
    for message in turns[0]:
        _require(
            isinstance(message, dict)
            and message.get("role") in ("system", "user", "assistant")
            and isinstance(message.get("content"), str),
            "a message lacks a role or content",
        )
    _require(isinstance(functions, list), "function is not a list")
    for function in functions:
        parameters = function.get("parameters") if isinstance(function, dict) else None
        _require(
            isinstance(parameters, dict)
            and isinstance(parameters.get("properties"), dict)
            and isinstance(function.get("name"), str)
            and isinstance(function.get("description"), str),
            "a function lacks a name, description or parameters.properties",
        )
    return _folded(turns[0]), tuple(functions)


def _folded(messages: list[dict[str, str]]) -> str:
    """One text for several messages: the row's own system text first, then the turns under their speakers.

    The tools take the system turn, and a row's system text states what a right answer needs: the date, say.
    """
    system = [message["content"].strip() for message in messages if message["role"] == "system"]
    turns = [message for message in messages if message["role"] != "system"]
    if len(turns) == 1:
        return "\n".join([*system, turns[0]["content"].strip()])
    return "\n".join(system + [f"{turn['role'].capitalize()}: {turn['content'].strip()}" for turn in turns])


def _calls(row: dict[str, Any]) -> tuple[dict[str, dict[str, list[Any]]], ...]:
    answers = row.get("ground_truth")
    _require(isinstance(answers, list) and len(answers) > 0, "ground_truth is not a list of calls")
    for answer in answers:
        _require(isinstance(answer, dict) and len(answer) == 1, "a call is not {name: arguments}")
        for arguments in answer.values():
            _require(
                isinstance(arguments, dict) and all(isinstance(v, list) for v in arguments.values()),
                "a call's arguments are not {argument: [accepted values]}",
            )
    return tuple(answers)


def _accepted(row: dict[str, Any]) -> tuple[dict[str, dict[str, list[Any]]], ...]:
    """As `_calls`, with dicts in the form that our own scorer and the training data read."""
    answers = _calls(row)
    options = (
        option
        for answer in answers
        for arguments in answer.values()
        for values in arguments.values()
        for option in values
    )
    dicts = (
        one
        for option in options
        for one in (option if isinstance(option, list) else [option])
        if isinstance(one, dict)
    )
    _require(
        all(isinstance(value, list) for one in dicts for value in one.values()),
        "an accepted dict is not {key: [accepted values]}",
    )
    return answers
