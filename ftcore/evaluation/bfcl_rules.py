"""BFCL's verdict on a reply, by BFCL's own checker."""

import contextlib
import importlib
import io
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from ftcore.data.bfcl import Case
from ftcore.evaluation.replies import Reply

MODEL = "any"
CHECKER = "bfcl_eval.eval_checker.ast_eval.ast_checker"
MODELS = "bfcl_eval.constants.model_config"

Checker = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether BFCL counts the reply as right; `error` is its error_type, "" where there is none."""

    correct: bool
    error: str


def verdict(reply: Reply, case: Case) -> Verdict:
    """What BFCL's runner says of a reply whose calls are these.

    A call whose arguments cannot be read leaves nothing that is a call, as where BFCL's own decoder fails.
    Where no tool fits (`irrelevance`), a reply without a call is right, whatever it says; where some call is
    due and BFCL has no answer to compare it with (`live_relevance`), any call is.
    """
    calls = [{call.name: call.arguments} for call in reply.calls]
    decoded = all(call.arguments is not None for call in reply.calls)
    if not case.accepted:
        called = decoded and bool(calls)
        due = not case.category.endswith("irrelevance")
        error = (
            ""
            if called == due
            else ("relevance_error:decoder_failed" if due else "irrelevance_error:decoder_success")
        )
        return Verdict(called == due, error)
    if not decoded:
        return Verdict(False, "ast_decoder:decoder_failed")
    check, languages = checker()
    name = {"simple_java": "JAVA", "simple_javascript": "JAVASCRIPT"}.get(case.category, "PYTHON")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its converters print what they cannot read
            found = check(
                list(case.functions), calls, list(case.accepted), languages[name], case.category, MODEL
            )
    except (AttributeError, TypeError, KeyError, ValueError, IndexError, NotImplementedError) as error:
        # It takes some forms of an argument for granted, and its runner would stop here.
        return Verdict(False, f"checker_error:{type(error).__name__}")
    return Verdict(bool(found["valid"]), "" if found["valid"] else str(found.get("error_type", "")))


@cache
def checker() -> tuple[Checker, Any]:
    """BFCL's `ast_checker` and its enum of languages.

    The checker asks a table of models whether tool names were written with `_` for `.`; the module of that
    table imports the SDKs of a dozen vendors, so a table of one model stands in for it. Tool names come here
    as BFCL writes them.
    """
    table = {MODEL: types.SimpleNamespace(underscore_to_dot=False)}
    with _in_place_of(MODELS, MODEL_CONFIG_MAPPING=table):
        module = importlib.import_module(CHECKER)
    module.MODEL_CONFIG_MAPPING = table
    return module.ast_checker, importlib.import_module("bfcl_eval.constants.enums").Language


@contextlib.contextmanager
def _in_place_of(name: str, **contents: Any) -> Iterator[None]:
    there = sys.modules.get(name)
    stand_in = types.ModuleType(name)
    vars(stand_in).update(contents)
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if there is None:
            del sys.modules[name]
        else:
            sys.modules[name] = there
