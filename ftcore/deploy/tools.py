"""The tools that a client offers, as training words them.

Training data has types as BFCL names them (`dict`, `float`), and no `$ref`, `anyOf` or lists of types.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftcore.deploy.bad_request import BadRequest

TYPES = {"object": "dict", "number": "float"}
"""JSON Schema's name of a type -> the one in the training data, where they differ."""

DEPTH = 8
"""Levels of a schema that are told; a schema that leads into itself would have no end."""

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """One function of a client's `tools`."""

    name: str
    description: str

    parameters: Schema
    """As the client has it, with every `$ref` into itself resolved; `properties` is there."""

    def in_training_form(self) -> Schema:
        """As `ftcore.data.wording` takes it: BFCL's {"name", "description", "parameters"}."""
        return {
            "name": self.name,
            "description": self.description,
            "parameters": _typed(self.parameters),
        }


def offered(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools that a request lets the model call: none under `tool_choice: none`, one where it is named.

    Raises BadRequest where they are not of OpenAI's form.
    """
    tools = tuple(_tool(one, f"tools[{index}]") for index, one in enumerate(_list(body.get("tools"))))
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, dict):
        wanted = (choice.get("function") or {}).get("name")
        named = tuple(tool for tool in tools if tool.name == wanted)
        if not named:
            raise BadRequest("tool_choice", f"no tool is named {wanted!r}")
        return named
    if choice not in ("auto", "none", "required"):
        raise BadRequest("tool_choice", f"{choice!r} is none of auto, none, required, or a tool's name")
    if choice == "required" and not tools:
        raise BadRequest("tool_choice", "required, and no tools are given")
    return () if choice == "none" else tools


def _list(tools: Any) -> list[Any]:
    if tools is not None and not isinstance(tools, list):
        raise BadRequest("tools", "must be a list")
    return tools or []


def _tool(one: Any, where: str) -> Tool:
    function = one.get("function") if isinstance(one, dict) else None
    if not isinstance(function, dict) or one.get("type", "function") != "function":
        raise BadRequest(where, 'must be {"type": "function", "function": {...}}')
    name, description = function.get("name"), function.get("description") or ""
    parameters = function.get("parameters") or {}
    if not isinstance(name, str) or not name.strip() or "\n" in name:
        raise BadRequest(f"{where}.function.name", "must be a name")
    if not isinstance(description, str):
        raise BadRequest(f"{where}.function.description", "must be a text")
    if not isinstance(parameters, dict):
        raise BadRequest(f"{where}.function.parameters", "must be a JSON Schema of an object")
    resolved = _resolved(parameters, parameters, DEPTH)
    properties = resolved.setdefault("properties", {})
    if not isinstance(properties, dict):
        raise BadRequest(f"{where}.function.parameters.properties", "must be an object")
    return Tool(name.strip(), description, resolved)


def _resolved(schema: Any, root: Schema, depth: int) -> Any:
    """`schema` with each `$ref` into `root` replaced by what it leads to, to `depth` levels."""
    if isinstance(schema, list):
        return [_resolved(one, root, depth) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if depth == 0:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**_at(root, reference), **rest}
    return {
        key: _resolved(value, root, depth - 1)
        for key, value in schema.items()
        if key not in ("$defs", "definitions", "$ref")
    }


def _at(root: Schema, reference: str) -> Schema:
    node: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        node = node.get(part) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def _typed(schema: Any) -> Any:
    """`schema` with types and descriptions of the training data's kind; only what is worded stays."""
    if not isinstance(schema, dict):
        return {"type": "any"}
    typed: Schema = {"type": _kind(schema)}
    for key in ("description", "enum", "default"):
        if key in schema:
            typed[key] = schema[key]
    typed["description"] = _text(typed.get("description"))
    if not isinstance(typed.get("enum", []), list):
        del typed["enum"]
    if isinstance(schema.get("items"), dict):
        typed["items"] = _typed(schema["items"])
    properties = next((o["properties"] for o in (schema, *_options(schema)) if _has_properties(o)), None)
    if properties is not None:
        typed["properties"] = {str(name): _typed(inner) for name, inner in properties.items()}
        required = schema.get("required")
        typed["required"] = required if isinstance(required, list) else []
    return typed


def _kind(schema: Schema) -> str:
    said = [schema["type"]] if schema.get("type") else [option.get("type") for option in _options(schema)]
    kinds = [kind for one in said for kind in (one if isinstance(one, list) else [one])]
    names = [TYPES.get(str(kind), str(kind)) for kind in kinds if kind not in (None, "null")]
    return "|".join(dict.fromkeys(names)) or "any"


def _options(schema: Schema) -> list[Schema]:
    """What an `anyOf`, `oneOf` or `allOf` lists."""
    listed = [schema.get(key) for key in ("anyOf", "oneOf", "allOf")]
    return [
        one for options in listed if isinstance(options, list) for one in options if isinstance(one, dict)
    ]


def _has_properties(schema: Schema) -> bool:
    return isinstance(schema.get("properties"), dict)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
