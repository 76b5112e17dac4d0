"""Replies against cases, hand-written and against BFCL's own checker."""

import importlib
import json
import random
import sys
import types
from dataclasses import replace
from itertools import permutations, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.data.bfcl import CATEGORIES, Case, load_cases
from ftcore.data.wording import accepted_arguments, right_reply
from ftcore.evaluation.replies import Call, Reply, parse_reply
from ftcore.evaluation.scoring import Score, score, standardise, summarise, wilson

KINDS = {"city": "string", "days": "integer", "limit": "float", "fast": "boolean", "note": "any"}
PROPERTIES = {
    **{name: {"type": kind} for name, kind in KINDS.items()},
    "tags": {"type": "array", "items": {"type": "string"}},
    "points": {"type": "array", "items": {"type": "float"}},
    "box": {"type": "dict"},
    "rows": {"type": "array", "items": {"type": "dict"}},
}
# BFCL expects an argument here that the tool's schema does not have, and so rejects every reply.
UNSOLVABLE = {"live_multiple_862-181-3", "live_multiple_964-207-0"}


def case(*accepted, required=(), names=("plan",)):
    parameters = {"properties": PROPERTIES, "required": list(required)}
    functions = tuple({"name": name, "description": "", "parameters": parameters} for name in names)
    return Case("x", "multiple", "?", functions, accepted)


def reply(*calls, final=""):
    return Reply("why", tuple(Call(name, arguments) for name, arguments in calls), final, ())


def right(value, accepted, name):
    return score(reply(("plan", {name: value})), case({"plan": {name: accepted}})).right_arguments


@pytest.mark.parametrize(
    ("name", "accepted", "value"),
    [
        ("city", ["New York, NY"], "new york ny"),
        ("city", ["Bob's"], 'bob"s'),
        ("city", ["x^2 - 1"], "X**21"),
        ("city", ["", "Rome"], "Rome"),
        ("city", ["", "Rome"], ""),
        ("city", [None], None),
        ("city", [None, "Rome"], "Rome"),
        ("city", ["北京"], "北京"),
        ("note", ["anything"], "Anything"),
        ("days", [3, 4], 4),
        ("days", ["n_days"], "n_days"),
        ("limit", [2.0], 2.0),
        ("limit", [2.0], 2),
        ("limit", [2], 2.0),
        ("fast", [True], True),
        ("tags", [["A b", "C"]], ["ab", "c"]),
        ("tags", [["a"], ["b"]], ["b"]),
        ("tags", [], []),
        ("tags", ["", ["a"]], []),
        ("points", [[1.0, 2.5]], [1.0, 2.5]),
        ("box", [{"w": [2], "name": ["Big Box"]}], {"name": "bigbox", "w": 2.0}),
        ("box", [{"w": [2], "h": ["", 1]}], {"w": 2}),
        ("box", [{"w": [1]}, {"w": [2]}], {"w": 2}),
        ("box", [{"at": [{"x": 1, "y": [2]}]}], {"at": {"y": [2], "x": 1}}),
        ("rows", [[{"k": ["a"]}, {"k": ["b"]}]], [{"k": "A"}, {"k": "B"}]),
    ],
)
def test_a_right_value_is_right_in_every_accepted_form(name, accepted, value):
    """Spelling of strings, int for float, optional dict keys and any of several accepted values."""
    assert right(value, accepted, name) is True


@pytest.mark.parametrize(
    ("name", "accepted", "value"),
    [
        ("city", ["Rome"], "Roma"),
        ("city", ["Rome"], ["Rome"]),
        ("city", ["Rome"], None),
        ("city", [None, "Rome"], "rome"),
        ("city", ["5"], 5),
        ("city", ["a(b)"], "ab"),
        ("city", ["Rome"], ""),
        ("days", [3], "3"),
        ("days", [3], 3.0),
        ("days", [1], True),
        ("days", ["n_days"], "N days"),
        ("limit", [2.0], "2.0"),
        ("limit", [2.0], 10**400),
        ("fast", [True], 1),
        ("fast", [True], "true"),
        ("fast", [True], False),
        ("tags", [["a", "b"]], ["b", "a"]),
        ("tags", [["a", "b"]], ["a"]),
        ("tags", [["a"]], "a"),
        ("tags", [["a"]], []),
        ("tags", [], ["a"]),
        ("tags", [["1"]], [1]),
        ("points", [[1.0]], [1]),
        ("points", [[1.0]], [True]),
        ("box", [{"w": [2]}], {"w": 3}),
        ("box", [{"w": [1]}], {"w": True}),
        ("box", [{"w": [2]}], {}),
        ("box", [{"w": [2]}], {"w": 2, "h": 1}),
        ("box", [{"w": [2]}], [["w", 2]]),
        ("box", [{"w": [1], "h": [1]}, {"w": [2], "h": [2]}], {"w": 1, "h": 2}),
        ("box", [{"at": [{"x": 1}]}], {"at": {"x": 2}}),
        ("rows", [[{"k": ["a"]}, {"k": ["b"]}]], [{"k": "b"}, {"k": "a"}]),
        ("rows", [[{"k": ["a"]}]], [{"k": "a"}, {"k": "a"}]),
        ("rows", [[{"k": ["a"]}]], ["a"]),
    ],
)
def test_a_wrong_value_is_wrong(name, accepted, value):
    """Other values, other types, other order in a list, missing and extra dict keys."""
    assert right(value, accepted, name) is False


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        ({"city": "Rome", "days": 2}, True),
        ({"city": "Rome", "days": 2, "limit": 1.5}, True),
        ({"days": 2}, False),
        ({"city": "Rome"}, False),
        ({"city": "Rome", "days": 2, "limit": 9.0}, False),
        ({"city": "Rome", "days": 2, "fast": True}, False),
        ({"city": "Rome", "days": 2, "planet": "Mars"}, False),
        ({"city": "Rome", "days": 2, "undeclared": 1}, False),
        ({}, False),
        (None, False),
    ],
)
def test_arguments_must_be_all_that_is_due_and_no_more(arguments, verdict):
    """Optional ones may be left out, required and expected ones not, and none be invented."""
    accepted = {"city": ["Rome"], "days": [2], "limit": ["", 1.5], "undeclared": ["", 1]}
    due = case({"plan": accepted}, required=["city"])
    outcome = score(reply(("plan", arguments)), due)
    assert (outcome.right_tool, outcome.right_arguments) == (True, verdict)


def test_a_required_argument_is_due_even_if_its_value_may_be_empty():
    """An accepted "" does not excuse an argument that the schema requires."""
    due = case({"plan": {"city": ["", "Rome"]}}, required=["city"])
    assert score(reply(("plan", {})), due).right_arguments is False
    assert score(reply(("plan", {"city": ""})), due).right_arguments is True


@pytest.mark.parametrize(
    ("made", "tool"),
    [
        (reply(("plan", {"days": 1})), True),
        (reply(("other", {"days": 1})), False),
        (reply(("Plan", {"days": 1})), False),
        (reply(("invented.tool", {"days": 1})), False),
        (reply(("plan", {"days": 1}), ("plan", {"days": 1})), False),
        (reply(("plan", {"days": 1}), ("other", {"days": 1})), False),
        (reply(), False),
        (reply(final="I cannot."), False),
    ],
)
def test_exactly_the_tool_due_is_right(made, tool):
    """Another offered tool, an invented one, a second call or none is the wrong tool."""
    outcome = score(made, case({"plan": {"days": [1]}}, names=("other", "plan")))
    assert (outcome.right_tool, outcome.right_arguments) == (tool, tool)


def test_malformed_arguments_keep_the_right_tool():
    """Broken JSON after the right name is a right tool, wrong arguments, and not well formed."""
    made = parse_reply('Thought: x\nAction: plan\nAction Input: {"days": 1')
    assert score(made, case({"plan": {"days": [1]}})) == Score(False, True, False, False)


def test_text_after_a_right_call_costs_the_form_alone():
    """An invented Observation does not make the call wrong, but the reply is not well formed."""
    made = parse_reply('Thought: x\nAction: plan\nAction Input: {"days": 1}\nObservation: ok')
    assert score(made, case({"plan": {"days": [1]}})) == Score(False, True, True, False)


@pytest.mark.parametrize(
    ("cities", "tool", "arguments"),
    [
        (["Rome", "Bonn"], True, True),
        (["Bonn", "Rome"], True, True),
        (["Rome", "Rome"], True, False),
        (["Rome", "Oslo"], True, False),
        (["Rome"], False, False),
        (["Rome", "Bonn", "Rome"], False, False),
    ],
)
def test_parallel_calls_match_in_any_order(cities, tool, arguments):
    """Each call due needs a call of its own; too few or too many are the wrong tools."""
    due = case({"plan": {"city": ["Rome"]}}, {"plan": {"city": ["Bonn"]}})
    outcome = score(reply(*(("plan", {"city": city}) for city in cities)), due)
    assert (outcome.right_tool, outcome.right_arguments) == (tool, arguments)


def test_overlapping_answers_are_matched_as_a_whole():
    """A call that two answers accept goes to the one that has no other."""
    due = case({"plan": {"city": ["Rome", "Bonn"]}}, {"plan": {"city": ["Rome"]}})
    assert score(reply(("plan", {"city": "Rome"}), ("plan", {"city": "Bonn"})), due).right_arguments is True
    assert score(reply(("plan", {"city": "Bonn"}), ("plan", {"city": "Bonn"})), due).right_arguments is False


def test_parallel_calls_of_other_tools_count_each():
    """Two different tools due are both needed."""
    due = case({"plan": {"days": [1]}}, {"other": {"days": [2]}}, names=("plan", "other"))
    assert score(reply(("other", {"days": 2}), ("plan", {"days": 1})), due).right_arguments is True
    assert score(reply(("plan", {"days": 1}), ("plan", {"days": 2})), due).right_tool is False


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("Thought: x\nFinal Answer: none fits.", True),
        ("Thought: x\nAction: plan\nAction Input: {}", False),
        ("Thought: x\nAction: plan\nAction Input: {}\nFinal Answer: none", False),
        ("I cannot do that.", False),
        ("", False),
    ],
)
def test_a_refusal_is_a_final_answer_and_no_call(text, refused):
    """Where none fits, calls and formless text are no refusal, and tools are not judged."""
    outcome = score(parse_reply(text), case())
    assert (outcome.refused, outcome.right_tool, outcome.right_arguments) == (refused, None, None)


def test_a_refusal_where_a_call_is_due_is_seen():
    """A well-formed refusal of a case with an answer is refused and wrong."""
    made = parse_reply("Thought: x\nFinal Answer: none fits.")
    assert score(made, case({"plan": {"days": [1]}})) == Score(True, False, False, True)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_taught_answer_scores_full_marks(category):
    """What a model is taught is right by the score; BFCL's two rows that no reply satisfies are known."""
    for one in load_cases(category):
        outcome = score(parse_reply(right_reply(one)), one)
        expected = one.id not in UNSOLVABLE if one.accepted else None
        assert (outcome.well_formed, outcome.right_arguments) == (True, expected), one.id
        assert outcome.refused is (not one.accepted)


@given(
    st.text()
    | st.dictionaries(
        st.sampled_from(sorted(PROPERTIES)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=1), inner, max_size=2)
            ),
        ),
    )
)
def test_no_reply_raises(made):
    """Any text and any arguments get a score, and arguments are right only with the right tool."""
    accepted = {"box": ["", {"a": [1]}], "rows": ["", [{"a": [1]}]], "tags": [["a"]], "limit": [1]}
    parsed = parse_reply(made) if isinstance(made, str) else reply(("plan", made))
    outcome = score(parsed, case({"plan": accepted}))
    assert outcome.right_tool or not outcome.right_arguments


def bfcl_checker(monkeypatch):
    """BFCL's ast_checker, with stand-ins for its modules that import vendor SDKs."""
    package = "bfcl_eval.eval_checker.ast_eval"
    dotted = types.SimpleNamespace(underscore_to_dot=False)
    for name, attribute, value in (
        ("bfcl_eval.constants.model_config", "MODEL_CONFIG_MAPPING", {"any": dotted}),
        (f"{package}.type_convertor.java_type_converter", "java_type_converter", None),
        (f"{package}.type_convertor.js_type_converter", "js_type_converter", None),
    ):
        module = types.ModuleType(name)
        setattr(module, attribute, value)
        monkeypatch.setitem(sys.modules, name, module)
    python = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON
    monkeypatch.delitem(sys.modules, f"{package}.ast_checker", raising=False)
    check = importlib.import_module(f"{package}.ast_checker").ast_checker
    # Bound to the stand-ins: whoever imports it next must get one of its own.
    del sys.modules[f"{package}.ast_checker"]
    return lambda calls, one: check(
        list(one.functions),
        [{call.name: call.arguments} for call in calls],
        list(one.accepted),
        python,
        one.category,
        "any",
    )["valid"]


def spoilt(value, rng):
    """A value changed a little, often into one that is still right."""
    changes = [None, "", 0, [], {}, [value], json.dumps(value)]
    if isinstance(value, str):
        changes += [value.upper(), value.replace(" ", ""), value + ".", value + "x", f"'{value}'"] * 2
    elif isinstance(value, (int, float)):
        changes += [value + 1, float(value), int(value), str(value)] * 2
    elif isinstance(value, list) and value:
        changes += [value[1:], value[::-1], [spoilt(value[0], rng), *value[1:]]] * 3
    elif isinstance(value, dict) and value:
        key = rng.choice(sorted(value))
        changes += [
            {**value, key: spoilt(value[key], rng)},
            {**value, "more": 1},
            {k: v for k, v in value.items() if k != key},
        ] * 3
    return rng.choice(changes)


@pytest.mark.parametrize("category", ["simple_python", "multiple", "parallel", "live_simple"])
def test_verdicts_agree_with_bfcls_own_checker(category, monkeypatch):
    """On right answers, and with one argument changed or left out, both checkers say the same."""
    check, rng, verdicts = bfcl_checker(monkeypatch), random.Random(category), []
    for one in load_cases(category):
        schemas = {function["name"]: function for function in one.functions}
        calls = [
            Call(name, accepted_arguments(schemas[name], values))
            for answer in one.accepted
            for name, values in answer.items()
        ]
        accepted = [values for answer in one.accepted for call in answer.values() for values in call.values()]
        if [] in accepted:
            continue
        for attempt in range(8):
            made = list(calls)
            index = rng.randrange(len(made))
            arguments = dict(made[index].arguments)
            if attempt and arguments:
                name = rng.choice(sorted(arguments))
                arguments[name] = spoilt(arguments[name], rng)
                if attempt == 7:
                    del arguments[name]
            made[index] = replace(made[index], arguments=arguments)
            rng.shuffle(made)
            ours = score(Reply("", tuple(made), "", ()), one).right_arguments
            try:
                # It gives each answer the first call that fits, so the order of the calls can matter to it.
                theirs = check(made, one) or (ours and any(map(check, permutations(made), repeat(one))))
            except AttributeError:  # it takes every item of a list of dicts for a dict
                theirs = False
            verdicts.append(theirs)
            assert ours is theirs, (one.id, made)
    assert 0.1 < sum(verdicts) / len(verdicts) < 0.9


def test_strings_are_compared_as_bfcl_compares_them():
    """Case, spaces and ,./-_*^ do not count; quotes are one kind; brackets and Chinese stay."""
    assert standardise("It's A-b_c, d.e/f*g^h (北京)") == 'it"sabcdefgh(北京)'


def test_shares_count_only_the_cases_they_are_about():
    """Tools are counted where a call is due, right refusals where none is, form everywhere."""
    summary = summarise(
        [
            Score(True, True, True, False),
            Score(True, True, False, False),
            Score(False, False, False, False),
            Score(True, False, False, True),
            Score(True, None, None, True),
            Score(True, None, None, False),
        ]
    )
    assert summary["cases"] == 6
    counts = {name: (part["count"], part["of"]) for name, part in summary.items() if name != "cases"}
    assert counts == {
        "well_formed": (5, 6),
        "right_tool": (2, 4),
        "right_arguments": (1, 4),
        "refused_wrongly": (1, 4),
        "refused_rightly": (1, 2),
    }
    assert summary["right_tool"]["share"] == 0.5
    assert json.loads(json.dumps(summary)) == summary


def test_no_cases_have_no_share():
    """An empty measure has a count of 0 and neither share nor interval."""
    nothing = {"count": 0, "of": 0, "share": None, "low": None, "high": None}
    assert summarise([])["well_formed"] == nothing
    assert summarise([Score(True, True, True, False)])["refused_rightly"] == nothing


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (17, 32, 0.3645, 0.6913)],
)
def test_wilson_intervals_are_the_published_ones(count, of, low, high):
    """Values by the formula of Wilson (1927), to four places."""
    assert wilson(count, of) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilson_intervals_hold_the_share(numbers):
    """The interval lies within 0 and 1 and holds the share itself."""
    low, high = wilson(*numbers)
    assert 0 <= low <= numbers[0] / numbers[1] <= high <= 1
