"""Cases as conversations in Agent-FLAN's schema: tools in the prompt, then Thought, Action, Action Input."""

import json
import re
from typing import Any

from ftcore.data.bfcl import Case

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
