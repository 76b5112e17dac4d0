"""Replies in and out of form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.evaluation.replies import Call, Reply, parse_reply

CALL = 'Thought: add them.\nAction: add\nAction Input: {"a": 1, "b": 2}'
FINAL = "Thought: none fits.\nFinal Answer: I cannot."
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PIECES = st.sampled_from(
    [
        "Thought:",
        "Action:",
        "Action Input:",
        "Final Answer：",
        "\n",
        "\r\n",
        "{",
        "}",
        '{"a": 1}',
        "```json\n",
        "```",
        "<|im_end|>",
        "[[[",
        '"',
        "\\u",
        "NaN",
        "寿司",
        " ",
        "\ud800",
        "Observation:",
    ]
)


def test_a_call_is_read_whole():
    """Thought, name and arguments come out, and nothing is amiss."""
    assert parse_reply(CALL) == Reply("add them.", (Call("add", {"a": 1, "b": 2}),), "", ())
    assert parse_reply(CALL).well_formed


def test_a_final_answer_is_read_whole():
    """Thought and Final Answer come out, over several lines."""
    assert parse_reply(FINAL + "\nReally.") == Reply("none fits.", (), "I cannot.\nReally.", ())


def test_several_calls_are_read_in_order():
    """Action and Action Input may repeat after one Thought."""
    reply = parse_reply(CALL + "\nAction: mul\nAction Input: {}")
    assert reply.well_formed
    assert reply.calls == (Call("add", {"a": 1, "b": 2}), Call("mul", {}))


@pytest.mark.parametrize(
    "text",
    [
        CALL.replace("\n", "\r\n"),
        CALL.replace("\n", "\n\n"),
        CALL.replace("t: ", "t：").replace("n: ", "n："),
        CALL.replace("t: ", "t:").replace("n: ", "n : "),
        "\ufeff  " + CALL + "  \n",
        CALL + "<|im_end|>",
        CALL + "</s>\n",
        CALL + "<|im_end|>\n<|im_start|>user\nThought: Action: more",
        CALL.replace("{", "```json\n{") + "\n```",
        CALL.replace("{", "```{") + "```",
        CALL.replace(", ", ",\n  "),
        "  " + CALL.replace("\n", "\n  "),
    ],
)
def test_harmless_dress_is_forgiven(text):
    """Line ends, blank lines, full-width colons, stop tokens, code fences and indentation change nothing."""
    reply = parse_reply(text)
    assert reply.problems == ()
    assert reply.calls == (Call("add", {"a": 1, "b": 2}),)


def test_nested_braces_quotes_and_chinese_survive():
    """Braces inside strings and objects, escapes and Chinese text come out as they are."""
    arguments = {"code": 'f({"x": "}"})\nAction: no', "到": {"城市": ["北京：朝阳", "}{"]}}
    body = json.dumps(arguments, ensure_ascii=False)
    reply = parse_reply(f"Thought：查天气\nAction: 天气.查询\nAction Input: {body}")
    assert reply == Reply("查天气", (Call("天气.查询", arguments),), "", ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "neither an Action nor a Final Answer"),
        ("Paris.", "text before the first label"),
        ("Sure!\n" + CALL, "text before the first label"),
        (CALL.split("\n", 1)[1], "no Thought"),
        (FINAL.split("\n")[1], "no Thought"),
        ("Thought: only this.", "neither an Action nor a Final Answer"),
        ("Thought:\n" + CALL.split("\n", 1)[1], "empty Thought"),
        ("Thought: x\nFinal Answer:  ", "empty Final Answer"),
        (CALL.replace("Action: add", "Action:"), "empty Action"),
        (CALL.replace("Action: add", "Action: add\nI call it."), "text after the name in Action"),
        (CALL.replace("Action: add\n", ""), "Action Input without an Action"),
        ("Thought: x\nAction: add", "Action 'add' without an Action Input"),
        ("Thought: x\nAction: add\n" + CALL.split("\n", 1)[1], "Action 'add' without an Action Input"),
        (CALL + "\nObservation: 3", "text after the JSON in Action Input"),
        (CALL + " and so on", "text after the JSON in Action Input"),
        (CALL + "}", "text after the JSON in Action Input"),
        (CALL + "\nThought: done", "Thought after another part"),
        (CALL + "\nFinal Answer: 3", "both an Action and a Final Answer"),
        ("Thought: y\n" + CALL, "more than one Thought"),
        (FINAL + "\nFinal Answer: again", "more than one Final Answer"),
        ("FINAL ANSWER: 3", "text before the first label"),
    ],
)
def test_what_breaks_the_form_is_named(text, problem):
    """Each departure from the two forms is reported in words and makes the reply not well formed."""
    reply = parse_reply(text)
    assert problem in reply.problems
    assert not reply.well_formed


@pytest.mark.parametrize(
    "body",
    [
        "",
        "a=1",
        "[1, 2]",
        '"text"',
        "{'a': 1}",
        '{"a": 1',
        '{"a": 1,}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        "{a: 1}",
        '{"a"：1}',
        "```json\n[1]\n```",
        '{"a": ' * 100_000,
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_arguments_that_are_no_json_object_leave_the_name(body):
    """The call stays, with its name and without arguments, and the reply is not well formed."""
    reply = parse_reply(f"Thought: x\nAction: add\nAction Input: {body}")
    assert reply.calls == (Call("add", None),)
    assert any("Action Input" in problem for problem in reply.problems)


def test_a_stray_line_does_not_hide_the_call():
    """A reply that is not well formed still tells which call it makes."""
    assert parse_reply(CALL + "\nObservation: 3").calls == parse_reply(CALL).calls


@given(st.text() | st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join))
def test_no_text_raises_and_form_is_exact(text):
    """Any text parses; well formed means a Thought and either calls with arguments or a Final Answer."""
    reply = parse_reply(text)
    if reply.well_formed:
        assert reply.thought and bool(reply.calls) != bool(reply.final_answer)
        assert all(call.name and call.arguments is not None for call in reply.calls)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4), st.sampled_from([None, 2]))
def test_any_json_object_comes_back(arguments, indent):
    """Arguments of any shape survive being written and read, on one line or many."""
    body = json.dumps(arguments, indent=indent)
    reply = parse_reply(f"Thought: x\nAction: f\nAction Input: {body}")
    assert reply == Reply("x", (Call("f", arguments),), "", ())
