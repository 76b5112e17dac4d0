"""Cases in the form of the API's own function calling: `tools` out, `tool_calls` back."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ftcore.data.bfcl import Case
from ftcore.evaluation.languages import as_offered
from ftcore.evaluation.replies import Call

NAME = re.compile(r"[^a-zA-Z0-9_-]")
NAME_LENGTH = 64
"""What the API allows a tool to be called."""


def as_tools(case: Case) -> list[dict[str, Any]]:
    """The case's tools as JSON Schema, under names that the API allows."""
    functions = as_offered(case).functions
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": function["description"],
                "parameters": {
                    **function["parameters"],
                    "type": "object",
                    "properties": {
                        key: _schema(value) for key, value in function["parameters"]["properties"].items()
                    },
                },
            },
        }
        for name, function in zip(names(case), functions, strict=True)
    ]


def names(case: Case) -> dict[str, str]:
    """Name as it is sent -> the tool's own, in the order of the case's tools."""
    sent: dict[str, str] = {}
    for function in case.functions:
        short = name = NAME.sub("_", function["name"])[:NAME_LENGTH]
        number = 2
        while name in sent:
            name, number = f"{short[: NAME_LENGTH - 4]}_{number}", number + 1
        sent[name] = function["name"]
    return sent


def calls(case: Case, tool_calls: Sequence[Any]) -> tuple[Call, ...]:
    """The API's `tool_calls` as calls of the case's tools; arguments that are no JSON object are None."""
    own = names(case)
    found = []
    for one in tool_calls:
        function = one.get("function") if isinstance(one, Mapping) else None
        name = str((function or {}).get("name", ""))
        found.append(Call(own.get(name, name), _arguments((function or {}).get("arguments"))))
    return tuple(found)


def _arguments(given: Any) -> dict[str, Any] | None:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return None
    return given if isinstance(given, dict) else None


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """BFCL's types as JSON Schema's, all the way down."""
    schema = dict(given)
    kind = schema.get("type", "any")
    schema["type"] = _types().get(kind, "string")
    if kind == "float":
        schema["format"] = "float"
        schema["description"] = f"{schema.get('description', '')} This is a float type value."
    if isinstance(schema.get("properties"), Mapping):
        schema["properties"] = {name: _schema(inner) for name, inner in schema["properties"].items()}
    if isinstance(schema.get("items"), Mapping):
        schema["items"] = _schema(schema["items"])
    return schema


@cache
def _types() -> dict[str, str]:
    from bfcl_eval.constants.type_mappings import GORILLA_TO_OPENAPI

    return GORILLA_TO_OPENAPI
