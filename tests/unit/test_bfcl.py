"""BFCL's rows as cases, and cases as conversations."""

import json
from pathlib import Path

import pytest

from ftcore.data import bfcl, wording

FUNCTION = {
    "name": "get_weather",
    "description": "Gets the weather for a city. Needs no key.",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string", "description": "The city."},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        },
        "required": ["city"],
    },
}
ANSWER = {"get_weather": {"city": ["Paris", "Paris, France"], "unit": ["", "C"]}}
TURN = [{"role": "user", "content": "Weather in Paris?"}]


def question_row(case_id="simple_python_0", messages=None, functions=None):
    functions = [FUNCTION] if functions is None else functions
    return {"id": case_id, "question": [messages or TURN], "function": functions}


def write(folder: Path, category: str, questions: list, answers: list | None) -> Path:
    (folder / "possible_answer").mkdir(exist_ok=True)
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in questions)
    (folder / f"BFCL_v4_{category}.json").write_text(text, encoding="utf-8")
    if answers is not None:
        text = "\n".join(json.dumps(row) for row in answers)
        (folder / "possible_answer" / f"BFCL_v4_{category}.json").write_text(text, encoding="utf-8")
    return folder


def one_case(tmp_path, messages=None, functions=None, answer=ANSWER):
    folder = write(
        tmp_path,
        "simple_python",
        [question_row(messages=messages, functions=functions)],
        [{"id": "simple_python_0", "ground_truth": [answer]}],
    )
    return bfcl.load_cases("simple_python", folder)[0]


def arguments_of(reply: str) -> dict:
    return json.loads(reply.rsplit("Action Input: ", 1)[1])


@pytest.mark.parametrize(
    ("category", "count"),
    [
        ("simple_python", 400),
        ("multiple", 200),
        ("parallel", 200),
        ("parallel_multiple", 200),
        ("irrelevance", 240),
        ("live_simple", 258),
        ("live_multiple", 1053),
        ("live_parallel", 16),
        ("live_parallel_multiple", 24),
        ("live_irrelevance", 884),
    ],
)
def test_every_row_of_the_installed_package_becomes_a_case_and_a_conversation(category, count):
    """No row is dropped, ids are unique, and each case has a question, a prompt and a right answer."""
    cases = bfcl.load_cases(category)
    assert len(cases) == len({case.id for case in cases}) == count
    for case in cases:
        turns = wording.conversation(case)["conversation"]
        assert [turn["role"] for turn in turns] == ["system", "user", "assistant"]
        assert all(turn["content"].strip() for turn in turns)
        assert bool(case.accepted) == ("Action Input: " in turns[2]["content"])


def test_cases_come_in_file_order(tmp_path):
    """Rows keep the order of the file, whatever their ids sort to, and answers are joined by id."""
    folder = write(
        tmp_path,
        "simple_python",
        [question_row("b"), question_row("a")],
        [{"id": i, "ground_truth": [{"get_weather": {"city": [i]}}]} for i in "ab"],
    )
    cases = bfcl.load_cases("simple_python", folder)
    assert [case.id for case in cases] == ["b", "a"]
    assert [case.accepted[0]["get_weather"]["city"] for case in cases] == [["b"], ["a"]]


def test_an_unknown_category_names_the_nearest_and_all():
    """A misspelt category is refused with the nearest valid name and the list."""
    with pytest.raises(bfcl.BfclError, match=r"pyton'; did you mean 'simple_python'\?.*live_irrelevance"):
        bfcl.load_cases("simple_pyton")


def test_a_category_of_another_shape_is_refused():
    """Multi-turn files exist in the package but are not read as single questions."""
    with pytest.raises(bfcl.BfclError, match="multi-turn"):
        bfcl.load_cases("multi_turn_base")


def test_a_missing_package_says_what_to_install(monkeypatch):
    """Without bfcl-eval the error carries the command that installs it."""
    monkeypatch.setattr(bfcl.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bfcl.BfclError, match="pip install --no-deps bfcl-eval=="):
        bfcl.load_cases("multiple")


def test_a_missing_file_is_named(tmp_path):
    """A package without a category's file is reported by the file's path."""
    with pytest.raises(bfcl.BfclError, match=r"BFCL_v4_irrelevance\.json.*No such file"):
        bfcl.load_cases("irrelevance", tmp_path)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{not json", "Expecting property name"),
        ("[1]", "not an object with an id"),
        ({"question": [TURN], "function": [FUNCTION]}, "not an object with an id"),
        (question_row("fine"), "second row with id 'fine'"),
        ({"id": "x", "question": [TURN, TURN], "function": []}, "one turn"),
        ({"id": "x", "question": [[]], "function": []}, "one turn"),
        ({"id": "x", "question": [[{"role": "tool", "content": "y"}]], "function": []}, "role or content"),
        ({"id": "x", "question": [TURN]}, "function is not a list"),
        (question_row("x", functions=[{"name": "f", "description": "d"}]), "parameters.properties"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, bad, why):
    """A row that cannot be read stops the load with its file, its line (blank ones count) and the reason."""
    folder = write(tmp_path, "irrelevance", [question_row("fine"), "", bad], None)
    with pytest.raises(bfcl.BfclError, match=rf"BFCL_v4_irrelevance\.json, line 3: .*{why}"):
        bfcl.load_cases("irrelevance", folder)


@pytest.mark.parametrize(
    ("truth", "why"),
    [
        ([], "list of calls"),
        ("get_weather", "list of calls"),
        ([{"a": {}, "b": {}}], r"not \{name: arguments\}"),
        ([{"get_weather": {"city": "Paris"}}], r"\[accepted values\]"),
        ([{"get_weather": {"city": [{"name": "Paris"}]}}], "accepted dict"),
        ([{"get_weather": {"city": [[{"name": "Paris"}]]}}], "accepted dict"),
    ],
)
def test_a_bad_answer_is_named_by_file_and_line(tmp_path, truth, why):
    """An answer of another shape is refused with the answer file's line."""
    folder = write(tmp_path, "multiple", [question_row("x")], [{"id": "x", "ground_truth": truth}])
    with pytest.raises(bfcl.BfclError, match=rf"possible_answer/BFCL_v4_multiple\.json, line 1: .*{why}"):
        bfcl.load_cases("multiple", folder)


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([], r"without an answer: \['x'\]"),
        ([{"id": i, "ground_truth": [ANSWER]} for i in "xy"], r"without a question: \['y'\]"),
        ([{"id": "x", "ground_truth": [{"get_time": {}}]}], r"not offered: \['x'\]"),
    ],
)
def test_questions_and_answers_must_pair(tmp_path, answers, why):
    """A question without an answer, an answer without a question, and an answer out of reach are errors."""
    folder = write(tmp_path, "multiple", [question_row("x")], answers)
    with pytest.raises(bfcl.BfclError, match=why):
        bfcl.load_cases("multiple", folder)


def test_a_system_message_of_the_row_stays_in_the_question(tmp_path):
    """What a row's own system message states is kept, before the user's words."""
    messages = [{"role": "system", "content": "It is 2024/02/21"}, {"role": "user", "content": "Tomorrow?"}]
    assert one_case(tmp_path, messages).question == "It is 2024/02/21\nTomorrow?"


def test_several_turns_become_a_transcript(tmp_path):
    """Earlier turns are kept under their speakers, in order."""
    messages = [
        {"role": role, "content": text}
        for role, text in (("user", "hi"), ("assistant", "hello"), ("user", "book it"))
    ]
    assert one_case(tmp_path, messages).question == "User: hi\nAssistant: hello\nUser: book it"


def test_the_prompt_lists_tools_and_form_without_the_answer(tmp_path):
    """The system turn has each tool's name, purpose and arguments, and both forms of reply; no loss key."""
    case = one_case(tmp_path)
    system, user = wording.prompt_messages(case)
    assert system["content"].splitlines()[:2] == [
        "Tools:",
        "get_weather: Gets the weather for a city. Needs no key. "
        '{"city":"string: The city.","unit":"string, optional, one of C|F, default \\"C\\""}',
    ]
    for label in ("Thought:", "Action:", "Action Input:", "Final Answer:"):
        assert f"\n{label} " in system["content"]
    assert user == {"role": "user", "content": "Weather in Paris?"}
    turns = wording.conversation(case)["conversation"]
    assert turns[:2] == [{**system, "loss": False}, {**user, "loss": False}]


def test_nested_arguments_and_chinese_are_spelt_out(tmp_path):
    """A dict's own keys follow it, array items are typed, and text is not escaped."""
    properties = {
        "座位": {"type": "array", "items": {"type": "integer"}, "description": "排和号"},
        "who": {"type": "dict", "properties": {"age": {"type": "integer"}}, "required": ["age"]},
    }
    function = {**FUNCTION, "parameters": {"properties": properties, "required": ["座位", "who"]}}
    prompt = wording.prompt_messages(one_case(tmp_path, functions=[function]))[0]["content"]
    assert '{"座位":"array of integer: 排和号","who":["dict",{"age":"integer"}]}' in prompt


def test_only_the_answer_carries_the_loss(tmp_path):
    """loss is a plain bool on every turn, true on the assistant's alone."""
    turns = wording.conversation(one_case(tmp_path))["conversation"]
    assert [turn["loss"] for turn in turns] == [False, False, True]


def test_a_call_is_answered_with_first_values_and_without_options(tmp_path):
    """The answer names the tool, takes the first accepted value, and leaves optional arguments out."""
    assert wording.right_reply(one_case(tmp_path)) == (
        "Thought: get_weather fits: gets the weather for a city.\n"
        'Action: get_weather\nAction Input: {"city": "Paris"}'
    )


@pytest.mark.parametrize(
    ("accepted", "arguments"),
    [
        ({"city": ["", "Oslo"]}, {"city": "Oslo"}),
        ({"city": [""]}, {"city": ""}),
        ({"city": []}, {"city": []}),
        ({"city": [None]}, {"city": None}),
        ({"city": [False, ""], "unit": ["F"]}, {"city": False, "unit": "F"}),
        ({"city": ["x"], "planet": ["Mars"]}, {"city": "x"}),
        ({"city": [{"a": [1, 2], "b": ["", 3]}]}, {"city": {"a": 1}}),
        ({"city": [[{"a": ["李雷"]}, {"a": [2]}]]}, {"city": [{"a": "李雷"}, {"a": 2}]}),
        ({"city": [{"a": [["x", "y"]]}]}, {"city": {"a": ["x", "y"]}}),
    ],
)
def test_accepted_values_become_arguments(tmp_path, accepted, arguments):
    """Required but optional-looking, empty, null, undeclared and nested values each become what is right."""
    case = one_case(tmp_path, answer={"get_weather": accepted})
    assert arguments_of(wording.right_reply(case)) == arguments


def test_parallel_calls_follow_one_another(tmp_path):
    """Each call due has its own Action and Action Input, after one Thought."""
    folder = write(
        tmp_path,
        "parallel",
        [question_row("x")],
        [{"id": "x", "ground_truth": [{"get_weather": {"city": [city]}} for city in ("Rome", "Bonn")]}],
    )
    reply = wording.right_reply(bfcl.load_cases("parallel", folder)[0]).split("\n")
    assert [line.split(":")[0] for line in reply] == ["Thought"] + ["Action", "Action Input"] * 2
    assert reply[2].endswith('{"city": "Rome"}') and reply[4].endswith('{"city": "Bonn"}')


def test_refusals_name_the_tools_that_do_not_fit(tmp_path):
    """An irrelevance case is answered with a Thought about its own tools and a refusal, for 0 to 4 tools."""
    tools = [{**FUNCTION, "name": name} for name in ("a", "b", "c", "d")]
    rows = [question_row(str(n), functions=tools[:n]) for n in (0, 1, 2, 4)]
    replies = [
        wording.right_reply(case)
        for case in bfcl.load_cases("irrelevance", write(tmp_path, "irrelevance", rows, None))
    ]
    assert [reply.split("\n")[0] for reply in replies] == [
        "Thought: there is no tool to use.",
        "Thought: a does not fit, it is for: gets the weather for a city.",
        "Thought: a and b do not fit.",
        "Thought: a, b, c and 1 more do not fit.",
    ]
    assert {reply.split("\n")[1] for reply in replies} == {f"Final Answer: {wording.REFUSAL_ANSWER}"}


def test_thoughts_stay_short_and_on_one_line():
    """No Thought of a training answer is longer than 280 characters or spills over its line."""
    for case in bfcl.training_cases().cases:
        lines = wording.right_reply(case).split("\n")
        assert len(lines) == (1 + 2 * len(case.accepted) if case.accepted else 2)
        assert len(lines[0]) <= 280


def test_no_training_question_is_asked_held_out():
    """97 of simple_python's questions are multiple's, and 6 trained ones irrelevance's: all are left out."""
    training = bfcl.training_cases()
    held_out = [case for name in bfcl.HELD_OUT + bfcl.REFUSAL for case in bfcl.load_cases(name)]
    asked = {bfcl.normalised(case.question) for case in held_out}
    assert not asked & {bfcl.normalised(case.question) for case in training.cases}
    assert len(training.cases) + len(training.dropped) == 400 + 258 + 884
    assert sum(case_id.startswith("simple_python") for case_id in training.dropped) == 98
    assert sum(case_id.startswith("live_irrelevance") for case_id in training.dropped) == 5


def test_another_spelling_of_a_held_out_question_is_left_out(tmp_path):
    """Case, spaces and punctuation do not make a question a new one; other words do."""

    def asks(case_id, text):
        return question_row(case_id, [{"role": "user", "content": text}])

    write(tmp_path, "irrelevance", [asks("held", "Weather, in PARIS?")], None)
    both = [asks("same", "weather in paris"), asks("new", "weather in Rome")]
    write(tmp_path, "live_irrelevance", both, None)
    training = bfcl.training_cases(["live_irrelevance"], ["irrelevance"], tmp_path)
    assert ([case.id for case in training.cases], training.dropped) == (["new"], ("same",))


def test_a_category_cannot_be_trained_on_and_held_out():
    """The same category on both sides is an error that names it."""
    with pytest.raises(bfcl.BfclError, match="both trained on and held out: multiple"):
        bfcl.training_cases(["simple_python", "multiple"], ["multiple"])
