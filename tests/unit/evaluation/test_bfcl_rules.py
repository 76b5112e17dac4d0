"""BFCL's own checker: what it is given, and its verdicts where there is nothing to compare with."""

import sys

import pytest

from ftcore.data.bfcl import MEASURED, Case, load_cases
from ftcore.evaluation.bfcl_rules import MODELS, checker, verdict
from ftcore.evaluation.replies import Call, Reply, parse_reply

CALLED = 'Thought: x\nAction: plan\nAction Input: {"days": 1}'
REFUSED = "Thought: x\nFinal Answer: none fits."
BROKEN = 'Thought: x\nAction: plan\nAction Input: {"days": '
FUNCTION = {"name": "plan", "description": "", "parameters": {"properties": {}, "required": []}}


def reply(*calls):
    return Reply("why", tuple(Call(name, arguments) for name, arguments in calls), "", ())


@pytest.mark.parametrize("category", MEASURED)
def test_every_measured_category_is_there(category):
    """Each has cases, and answers where there is anything to compare with."""
    cases = load_cases(category)
    assert cases and all(bool(case.accepted) is not category.endswith("relevance") for case in cases)


@pytest.mark.parametrize(
    ("category", "text", "correct"),
    [
        ("irrelevance", CALLED, False), ("irrelevance", REFUSED, True), ("irrelevance", BROKEN, True),
        ("live_irrelevance", "anything at all", True), ("live_irrelevance", "", True),
        ("live_relevance", CALLED, True), ("live_relevance", REFUSED, False),
        ("live_relevance", BROKEN, False), ("live_relevance", "", False),
    ],
)  # fmt: skip
def test_relevance_is_whether_anything_is_called(category, text, correct):
    """A call that cannot be read is none, as where BFCL's decoder fails."""
    found = verdict(parse_reply(text), Case("x", category, "?", (FUNCTION,), ()))
    assert found.correct is correct and bool(found.error) is not correct


def test_java_arguments_are_text_of_the_language():
    """A Java case wants strings that BFCL's converter reads; a JSON number or list is of the wrong type."""
    case = next(case for case in load_cases("simple_java") if case.id == "simple_java_1")
    name = "SQLCompletionAnalyzer.makeProposalsFromObject"
    given = {
        "object": "Customers", "useShortName": "true",
        "params": 'new HashMap<String, Object>() {{ put("limit", 50); put("schemaFilter", "public"); }}',
    }  # fmt: skip
    assert verdict(reply((name, given)), case).correct
    wrong = verdict(reply((name, given | {"useShortName": True})), case)
    assert not wrong.correct and wrong.error == "type_error:java"
    assert not verdict(reply((name, given | {"params": "{}"})), case).correct


def test_javascript_lists_are_read():
    """A list in JavaScript's notation is compared by its elements."""
    case = next(case for case in load_cases("simple_javascript") if case.id == "simple_javascript_3")
    given = {"action": "submit", "formId": "loginForm", "coordinates": "[60, 30]"}
    assert verdict(reply(("submitAtCoordinate", given)), case).correct
    assert not verdict(reply(("submitAtCoordinate", given | {"coordinates": "[60, 31]"})), case).correct


def test_what_bfcls_checker_trips_over_is_wrong_and_stops_nothing():
    """It takes each item of a list of dicts for a dict."""
    schema = {"rows": {"type": "array", "items": {"type": "dict"}}}
    function = {"name": "plan", "description": "", "parameters": {"properties": schema, "required": []}}
    case = Case("x", "simple_python", "?", (function,), ({"plan": {"rows": [[{"a": [1]}]]}},))
    found = verdict(reply(("plan", {"rows": [["a"]]})), case)
    assert not found.correct and found.error.startswith(("checker_error", "type_error"))
    assert not verdict(reply(("plan", None)), case).correct


def test_the_stand_in_is_taken_away_again():
    """Only the checker's own import sees a table of models without their vendors."""
    checker()
    assert MODELS not in sys.modules
