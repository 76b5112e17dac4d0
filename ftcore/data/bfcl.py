"""Berkeley Function-Calling Leaderboard v4: its questions as cases, and cases as conversations.

Source: the data folder of the package bfcl-eval (Apache-2.0), read without importing it: its modules
need vendor SDKs that nothing here uses. Conversations follow Agent-FLAN's schema.
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
TRAIN = ("simple_python", "live_simple", "live_irrelevance")
HELD_OUT = ("multiple",)
REFUSAL = ("irrelevance",)

INSTALL = "pip install --no-deps bfcl-eval==2026.3.23"
PURPOSE_CHARS = 80
DANGLING = re.compile(
    r"(?:[\s,]+(?:an?|the|of|in|for|to|and|or|with|on|at|by|from|as|its|such|using|based|between|including|which|that"
    r"|specified|specific|given|provided|certain|particular|current))+$"
)
REFUSAL_ANSWER = "None of the available tools can do this."
RULES = """Reply in this form, the last two lines once for each call:
Thought: why this tool
Action: tool name
Action Input: arguments as JSON
If no tool fits:
Thought: why none fits
Final Answer: say so"""


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
    if category not in CATEGORIES:
        near = difflib.get_close_matches(category, CATEGORIES, n=1, cutoff=0.0)[0]
        raise BfclError(
            f"unknown category {category!r}; did you mean {near!r}? Known: {', '.join(CATEGORIES)} "
            "(multi-turn, agentic, Java and JavaScript categories are not read)"
        )
    folder = folder or data_folder()
    questions = folder / f"BFCL_v4_{category}.json"
    answers = folder / "possible_answer" / f"BFCL_v4_{category}.json"
    irrelevant = category.endswith("irrelevance")
    accepted = {} if irrelevant else _read(answers, _accepted)
    cases = [
        Case(case_id, category, question, functions, accepted.pop(case_id, ()))
        for case_id, (question, functions) in _read(questions, _question).items()
    ]
    unanswered = [case.id for case in cases if not irrelevant and not case.accepted]
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


def training_cases(
    train: Sequence[str] = TRAIN, held_out: Sequence[str] = HELD_OUT + REFUSAL, folder: Path | None = None
) -> TrainingSet:
    """The cases of `train` less those whose question, in any spelling, is also asked in `held_out`.

    Raises BfclError if a category is in both: a score on trained questions measures memory.
    """
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


def prompt_messages(case: Case) -> list[dict[str, str]]:
    """The system and the user message of a case: what is sent to a model to be answered."""
    system = "\n".join(["Tools:", *(map(_tool, case.functions) if case.functions else ["(none)"]), RULES])
    return [{"role": "system", "content": system}, {"role": "user", "content": case.question}]


def conversation(case: Case) -> dict[str, Any]:
    """The case with its right answer: {"conversation": [{"role", "content", "loss"?}], "id"}.

    Only the assistant's turn carries the loss.
    """
    answer = {"role": "assistant", "content": right_reply(case), "loss": True}
    prompt = [{**message, "loss": False} for message in prompt_messages(case)]
    return {"conversation": [*prompt, answer], "id": case.id}


def right_reply(case: Case) -> str:
    """A right answer in Thought / Action / Action Input form, or Thought / Final Answer where none fits."""
    if not case.accepted:
        return f"Thought: {_refusal_thought(case)}\nFinal Answer: {REFUSAL_ANSWER}"
    by_name = {function["name"]: function for function in case.functions}
    lines = [f"Thought: {_call_thought(case, by_name)}"]
    for answer in case.accepted:
        for name, values in answer.items():
            arguments = accepted_arguments(by_name[name], values)
            lines += [f"Action: {name}", f"Action Input: {json.dumps(arguments, ensure_ascii=False)}"]
    return "\n".join(lines)


def accepted_arguments(function: dict[str, Any], accepted: dict[str, list[Any]]) -> dict[str, Any]:
    """The first accepted value of each argument; those that may be left out are, unless required."""
    parameters = function["parameters"]
    required = parameters.get("required", ())
    return {
        name: _concrete(_first(values))
        for name, values in accepted.items()
        if name in parameters["properties"] and (name in required or "" not in values)
    }


def _first(values: list[Any]) -> Any:
    # BFCL writes no accepted value at all where the only right one is the empty list.
    return next((value for value in values if value != ""), "" if values else [])


def _concrete(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _first(inner) for key, inner in value.items() if "" not in inner}
    if isinstance(value, list):
        return [_concrete(item) if isinstance(item, dict) else item for item in value]
    return value


def _call_thought(case: Case, by_name: dict[str, dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for answer in case.accepted for name in answer))
    if len(names) > 1:
        return f"this takes {len(case.accepted)} calls, to {_listed(names)}."
    fits = f"{names[0]} fits: {_purpose(by_name[names[0]])}."
    if len(case.accepted) > 1:
        return f"{fits} It takes {len(case.accepted)} calls."
    return f"of {len(case.functions)} tools, {fits}" if len(case.functions) > 1 else fits


def _refusal_thought(case: Case) -> str:
    if not case.functions:
        return "there is no tool to use."
    if len(case.functions) > 1:
        names = [function["name"] for function in case.functions]
        more = [f"{len(names) - 3} more"] if len(names) > 3 else []
        return f"{_listed(names[:3] + more)} do not fit."
    return f"{case.functions[0]['name']} does not fit, it is for: {_purpose(case.functions[0])}."


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _purpose(function: dict[str, Any]) -> str:
    """The first sentence of a tool's description, cut to PURPOSE_CHARS at a word that can end it."""
    first = re.split(r"[.!?;:](?:\s|$)|\s\(|\n|。", function["description"].strip(), maxsplit=1)[0]
    first = first.strip(" .,")
    if len(first) > PURPOSE_CHARS:
        first = DANGLING.sub("", first[:PURPOSE_CHARS].rsplit(" ", 1)[0])
    return first if first[1:2].isupper() else first[:1].lower() + first[1:]


def _tool(function: dict[str, Any]) -> str:
    arguments = json.dumps(_arguments(function["parameters"]), ensure_ascii=False, separators=(",", ":"))
    return f"{function['name']}: {' '.join(function['description'].split())} {arguments}"


def _arguments(parameters: dict[str, Any]) -> dict[str, Any]:
    required = parameters.get("required", ())
    return {name: _argument(schema, name in required) for name, schema in parameters["properties"].items()}


def _argument(schema: dict[str, Any], required: bool) -> Any:
    """One line a value, "type, optional, one of a|b: description"; a dict's own keys follow it in a list."""
    items = schema.get("items") or {}
    kind = f"{schema.get('type', 'any')} of {items['type']}" if "type" in items else schema.get("type", "any")
    text = kind if required else f"{kind}, optional"
    if choices := schema.get("enum") or items.get("enum"):
        text += f", one of {'|'.join(map(str, choices))}"
    description = " ".join(schema.get("description", "").split())
    if schema.get("default") not in (None, "", [], {}) and "default" not in description.lower():
        text += f", default {json.dumps(schema['default'], ensure_ascii=False)}"
    text += f": {description}" if description else ""
    nested = schema if schema.get("properties") else items
    return [text, _arguments(nested)] if nested.get("properties") else text


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


def _accepted(row: dict[str, Any]) -> tuple[dict[str, dict[str, list[Any]]], ...]:
    answers = row.get("ground_truth")
    _require(isinstance(answers, list) and len(answers) > 0, "ground_truth is not a list of calls")
    for answer in answers:
        _require(isinstance(answer, dict) and len(answer) == 1, "a call is not {name: arguments}")
        for arguments in answer.values():
            _require(
                isinstance(arguments, dict) and all(isinstance(v, list) for v in arguments.values()),
                "a call's arguments are not {argument: [accepted values]}",
            )
            dicts = (
                d
                for v in arguments.values()
                for option in v
                for d in (option if isinstance(option, list) else [option])
                if isinstance(d, dict)
            )
            _require(
                all(isinstance(v, list) for d in dicts for v in d.values()),
                "an accepted dict is not {key: [accepted values]}",
            )
    return tuple(answers)
