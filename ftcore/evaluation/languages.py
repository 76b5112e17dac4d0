"""Tools of BFCL's Java and JavaScript cases as a model is shown them."""

import copy
import json
from dataclasses import replace
from typing import Any

from ftcore.data.bfcl import Case

LANGUAGES = {"simple_java": ("Java", "Java 8 SDK"), "simple_javascript": ("JavaScript", "JavaScript")}
LISTS = ("ArrayList", "Array", "array")


def as_offered(case: Case) -> Case:
    """The case with every argument a string in the language's own notation, as BFCL's runner offers it
    (`bfcl_eval.utils._func_doc_language_specific_pre_processing`); other cases as they are.

    Replies are scored against the case as it was, by the types that the strings stand for.
    """
    if case.category not in LANGUAGES:
        return case
    language, syntax = LANGUAGES[case.category]
    functions = copy.deepcopy(case.functions)
    for function in functions:
        function["description"] += f" Note that the provided function is in {syntax} syntax."
        for schema in function["parameters"]["properties"].values():
            _as_text(schema, language)
    return replace(case, functions=functions)


def _as_text(schema: dict[str, Any], language: str) -> None:
    kind = schema["type"]
    if kind == "any":
        what = f" This parameter can be of any type of {language} object in string representation."
    else:
        what = f" This is {language} {kind} type parameter in string representation."
    if kind in LISTS:
        inner = schema.pop("items")["type"]
        what += f" The list elements are of type {inner}; they are not in string representation."
    if kind == "dict" and "properties" in schema:
        what += " The dictionary entries have the following schema; they are not in string representation. "
        what += json.dumps(schema.pop("properties"))
    schema["description"] += what
    schema["type"] = "string"
