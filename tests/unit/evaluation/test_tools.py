"""Cases in the API's own form, and replies out of it."""

import copy
import json

import pytest

from ftcore.data.bfcl import MEASURED, SCORED_BY_BFCL, Case, load_cases
from ftcore.evaluation import tools
from ftcore.evaluation.answers import Answer
from ftcore.evaluation.languages import LANGUAGES, as_offered
from ftcore.evaluation.replies import Call
from tests.fixtures.chat_server import check


@pytest.mark.parametrize("category", MEASURED)
def test_every_case_is_fit_for_the_api(category):
    """Names, types and nesting of all tools are ones that the API takes, and no case is changed by it."""
    for case in load_cases(category):
        before = copy.deepcopy(case)
        if made := tools.as_tools(case):
            body = {"model": "tuned", "messages": [], "tools": made}
            check(body, ("tuned",))
        assert case == before and json.dumps(made)
        assert list(tools.names(case).values()) == [function["name"] for function in case.functions]


def test_required_arguments_and_choices_are_sent():
    """What the schema says beside types goes along."""
    schema = {"type": "string", "enum": ["a", "b"], "description": "d"}
    parameters = {"type": "dict", "properties": {"x": schema, "y": {"type": "float"}}, "required": ["x"]}
    case = Case("x", "multiple", "?", ({"name": "a.b", "description": "c", "parameters": parameters},), ())
    [tool] = tools.as_tools(case)
    assert tool["function"]["name"] == "a_b" and tool["function"]["description"] == "c"
    sent = tool["function"]["parameters"]
    assert (sent["type"], sent["required"], sent["properties"]["x"]) == ("object", ["x"], schema)
    assert sent["properties"]["y"]["type"] == "number"


def test_names_that_become_the_same_stay_apart():
    """`a.b` and `a_b` are two tools, and each call goes back to its own."""
    functions = tuple(
        {"name": name, "description": "", "parameters": {"properties": {}}}
        for name in ("a.b", "a_b", "城市", "x" * 70, "x" * 80)
    )
    case = Case("x", "multiple", "?", functions, ())
    sent = tools.names(case)
    assert len(sent) == 5 and all(len(name) <= 64 for name in sent)
    made = [{"function": {"name": name, "arguments": "{}"}} for name in sent]
    assert [call.name for call in tools.calls(case, made)] == [function["name"] for function in functions]


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ('{"days": 1}', {"days": 1}), ({"days": 1}, {"days": 1}), ('{"days": ', None), ("[1]", None),
        ("", None), (None, None), (3, None),
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_read_are_none(given, arguments):
    """A string of JSON, or an object as some servers send it; anything else is a call without arguments."""
    function = {"name": "p", "description": "", "parameters": {"properties": {}}}
    case = Case("x", "multiple", "?", (function,), ())
    made = tools.calls(case, [{"type": "function", "function": {"name": "p", "arguments": given}}])
    assert made == (Call("p", arguments),)
    assert tools.calls(case, ["x", {}, {"function": None}])[0].name == ""


def test_an_answer_without_a_call_is_a_final_answer():
    """With `tools` a text alone refuses; in the text form it has to say so in its form."""
    case = Case("x", "irrelevance", "?", (), ())
    assert Answer("No tool fits.", ()).reply(case).final_answer == "No tool fits."
    assert Answer("", ()).reply(case).final_answer and Answer("", ()).reply(case).well_formed
    assert not Answer("No tool fits.").reply(case).final_answer


@pytest.mark.parametrize("category", sorted(LANGUAGES))
def test_tools_of_other_languages_are_offered_as_bfcl_offers_them(category, tmp_path, monkeypatch):
    """Word for word what its runner makes of them."""
    monkeypatch.setenv("BFCL_PROJECT_ROOT", str(tmp_path))  # importing it makes folders
    from bfcl_eval import utils

    for case in load_cases(category):
        theirs = utils._func_doc_language_specific_pre_processing(copy.deepcopy([*case.functions]), category)
        assert [*as_offered(case).functions] == theirs


def test_python_tools_are_offered_as_they_are():
    """The case itself, unchanged."""
    case = load_cases("multiple")[0]
    assert as_offered(case) is case and case.category not in SCORED_BY_BFCL
