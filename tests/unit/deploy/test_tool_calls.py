"""Replies in Thought / Action / Action Input form as tool calls, whole and streamed."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ftcore.deploy.tool_calls import Reader, Stream, Told
from ftcore.deploy.tool_prompt import reply
from ftcore.evaluation.replies import Call, parse_reply

READER = Reader(frozenset({"add", "mul"}))
CALL = 'Thought: add them.\nAction: add\nAction Input: {"a": 1, "b": 2}'
FINAL = "Thought: none fits.\nFinal Answer: I cannot.\nReally."

PIECES = st.sampled_from(
    ["Thought:", "Action:", "Action Input:", "Final Answer：", "Action", " Input", "Thou", "\n", "\r\n", "\r",
     " ", "\t", "{", "}", '{"a": 1}', "add", "mul", "sub", "```json\n", "```", "<|im_end|>", "<|im", "</s>",
     "[[[", '"', "NaN", "寿司", "\ufeff", "Observation:", ":", "\u3000"]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=16).map("".join))
THOUGHTS = st.sampled_from(["reasoning", "content", "drop"])


def streamed(reader: Reader, text: str, cuts: list[int], *, cut: bool = False) -> tuple[Told, list[Told]]:
    """What the pieces of a stream add up to, and the pieces."""
    edges = [0, *sorted(at % (len(text) + 1) for at in cuts), len(text)]
    stream = Stream(reader)
    pieces = [stream.feed(text[a:b]) for a, b in pairwise(edges)]
    pieces.append(stream.finish(cut=cut))
    return (
        Told(
            "".join(piece.reasoning for piece in pieces),
            "".join(piece.content for piece in pieces),
            tuple(call for piece in pieces for call in piece.calls),
        ),
        pieces,
    )


@given(
    text=TEXTS,
    cuts=st.lists(st.integers(0, 300), max_size=12),
    thoughts=THOUGHTS,
    cut=st.booleans(),
    parallel=st.booleans(),
)
@example(text=CALL, cuts=[*range(70)], thoughts="reasoning", cut=False, parallel=True)
@example(text="a\r\nAction", cuts=[2, 4], thoughts="content", cut=False, parallel=True)
@example(text="Action \t Input : {}", cuts=[*range(20)], thoughts="drop", cut=True, parallel=True)
def test_a_stream_tells_what_the_whole_reply_does(text, cuts, thoughts, cut, parallel):
    """However any text is cut into pieces, the pieces joined are the whole reply's; nothing raises."""
    reader = Reader(frozenset({"add", "mul"}), thoughts, parallel)
    joined, _ = streamed(reader, text, cuts, cut=cut)
    assert joined == reader.whole(text, cut=cut)


@given(text=TEXTS, thoughts=THOUGHTS)
def test_what_is_told_early_stays_true(text, thoughts):
    """After every character, what was told is the beginning of what is told in the end."""
    reader = Reader(frozenset({"add"}), thoughts)
    whole = reader.whole(text)
    for end in range(len(text) + 1):
        early = reader.so_far(text[:end])
        assert whole.content.startswith(early.content) and whole.reasoning.startswith(early.reasoning)
        assert early.calls == ()


@given(text=TEXTS)
def test_no_text_is_a_call_of_an_unknown_tool(text):
    """Calls are of offered tools with JSON objects, and are those of the evaluation's own parser."""
    for call in READER.whole(text).calls:
        assert call.name in READER.tools and isinstance(call.arguments, dict)
        assert call in parse_reply(text).calls


NAMES = st.from_regex(r"[a-z_]{1,12}(\.[a-z]{1,8})?", fullmatch=True)
ARGUMENTS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)
THOUGHT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n<:：\ufeff"), max_size=30).map(
    str.strip
)


@given(
    thought=THOUGHT,
    calls=st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=3),
    colon=st.sampled_from([": ", ":"]),
)
def test_calls_come_back_as_they_were_said(thought, calls, colon):
    """A client's message with calls, worded for the prompt and read as a reply, is the same calls."""
    message = {
        "role": "assistant",
        "tool_calls": [{"function": {"name": name, "arguments": json.dumps(given)}} for name, given in calls],
    }
    told = Reader(frozenset(name for name, _ in calls)).whole(reply(message, thought, colon))
    assert told == Told(thought, "", tuple(Call(name, given) for name, given in calls))


@pytest.mark.parametrize(
    ("thoughts", "reasoning", "content"),
    [("reasoning", "add them.", ""), ("content", "", "add them."), ("drop", "", "")],
)
def test_where_a_thought_goes(thoughts, reasoning, content):
    """A call's Thought is reasoning, content or nothing, as it is set."""
    told = Reader(READER.tools, thoughts).whole(CALL)
    assert told == Told(reasoning, content, (Call("add", {"a": 1, "b": 2}),))


def test_a_final_answer_is_content():
    """The answer without its label, and the thought apart."""
    assert READER.whole(FINAL) == Told("none fits.", "I cannot.\nReally.")


def test_text_without_a_label_is_content():
    """A model that answers outside of the form is heard all the same."""
    assert READER.whole("Paris.") == Told("", "Paris.")


def test_a_stream_shows_the_thought_before_the_call_is_there():
    """Text flows while it is written; of the call nothing is seen until it is whole."""
    _, pieces = streamed(Reader(READER.tools, "content"), CALL, [*range(len(CALL))])
    assert "".join(piece.content for piece in pieces[:-1]) == "add them."
    assert sum(bool(piece.content) for piece in pieces) >= 8
    assert not any("Act" in piece.content for piece in pieces)
    assert [len(piece.calls) for piece in pieces if piece.calls] == [1]


@pytest.mark.parametrize(
    "text",
    ["Action: sub\nAction Input: {}", "Action: add\nAction Input: [1]", "Action: add", "Action Input: {}",
     'Action: add\nAction Input: {"a": }', 'Action: add\nAction Input: {}\nAction: sub\nAction Input: {}'],
)  # fmt: skip
def test_what_cannot_be_called_is_content(text):
    """An unknown tool, no JSON object, half a form: the client reads what the model wrote."""
    assert READER.whole(f"Thought: so.\n{text}") == Told("so.", text)


@pytest.mark.parametrize("thoughts", ["reasoning", "content"])
def test_half_a_call_is_never_told(thoughts):
    """A reply cut off at its longest, wherever in a call that is, tells of no part of it."""
    reader, text = Reader(READER.tools, thoughts), 'Thought: so.\nAction: add\nAction Input: {"a": 1'
    for end in range(len(text) + 1):
        told = reader.whole(text[:end], cut=True)
        assert "so.".startswith(told.reasoning + told.content) and told.calls == ()


def test_a_call_that_was_whole_when_the_reply_was_cut():
    """The longest a reply may be can end right after a call."""
    assert READER.whole(CALL, cut=True).calls == (Call("add", {"a": 1, "b": 2}),)


def test_what_a_model_makes_up_after_its_call_is_left_out():
    """A reply that goes on with a result of its own and acts on it is the first call alone."""
    made_up = f"{CALL}\nObservation: 3\nThought: now mul.\nAction: mul\nAction Input: {{}}"
    assert READER.whole(made_up) == READER.whole(CALL)


def test_one_call_where_a_client_takes_one():
    """parallel_tool_calls=false keeps the first."""
    two = f"{CALL}\nAction: mul\nAction Input: {{}}"
    assert len(READER.whole(two).calls) == 2
    assert READER.whole(two).calls[:1] == Reader(READER.tools, parallel=False).whole(two).calls
