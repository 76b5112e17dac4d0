"""Every form of rows: the same tokens and labels as XTuner's map function of that name leads to."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.config.xtuner.system_texts import SYSTEM_TEXTS
from ftcore.data.encode import Encoder
from ftcore.data.errors import DataError, RowError
from ftcore.data.sources import FORMATS, BadRows, Record, read_records
from ftcore.data.sources.xtuner_forms import TABLE
from ftcore.data.templates import prompt_template
from ftcore.data.tokenizer import codec
from tests.fixtures.tiny_tokenizer import tiny_tokenizer

ODD = (
    "你好，{x}",
    "{system} {} {{input}}",
    " \n spaces \n\n",
    "",
    "<|im_end|></s> ### Human: <s>",
    "tab\t“”",
)


def encoder(template="qwen_chat", max_length=400):
    made = codec(tiny_tokenizer(), True)
    return Encoder(made.open(), prompt_template(template), made.bos_ids, made.eos_ids, max_length)


def ours(name, row, template="qwen_chat"):
    """input_ids and labels of a row, None where nothing is left of it."""
    [[encoded]] = encoder(template).rows([FORMATS[name].parse(Record("file.json", 3, row, 0))])
    return {"input_ids": encoded.input_ids, "labels": encoded.labels} if encoded.input_ids else None


def theirs(stock, name, row, template="qwen_chat"):
    row = copy.deepcopy(row)
    mapped = row if name == "conversation" else getattr(stock.map_fns, f"{name}_map_fn")(row)
    filled = stock.map_fns.template_map_fn(mapped, stock.templates.PROMPT_TEMPLATE[template])
    return stock.encode_fn(filled, tiny_tokenizer(), 400) if filled["conversation"] else None


def columns(name):
    form = TABLE[name]
    return [*form.prompt, form.reply, *([form.system_column] if form.system_column else [])]


def test_system_texts_are_xtuners(stock):
    """Word for word, and none is missing."""
    assert stock.templates.SYSTEM_TEMPLATE.to_dict() == SYSTEM_TEXTS


@pytest.mark.parametrize("name", TABLE)
def test_forms_of_the_table_are_xtuners(stock, name):
    """System text, joined prompt and reply, for Chinese, braces, line breaks and empty texts."""
    for first in range(len(ODD)):
        row = {key: ODD[(first + index) % len(ODD)] for index, key in enumerate(columns(name))}
        assert ours(name, row) == theirs(stock, name, row)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(TABLE)), template=st.sampled_from(["default", "moss_sft"]))
def test_any_texts_in_the_table_are_xtuners(stock, data, name, template):
    """Whatever stands in the columns."""
    row = {key: data.draw(st.text(max_size=12)) for key in columns(name)}
    assert ours(name, row, template) == theirs(stock, name, row, template)


def test_a_colour_is_described_behind_its_first_colon(stock):
    """The name before it is left out, further colons stay."""
    row = {"description": "Sea green: 深 as the sea: {calm} ", "color": "#2e8b57"}
    assert ours("colors", row) == theirs(stock, "colors", row)


def test_a_row_of_openorca_may_have_no_system_text(stock):
    """Empty or null, there is none."""
    rows = [{"system_prompt": system, "question": "q", "response": "r"} for system in ("", None)]
    assert ours("openorca", rows[0]) == ours("openorca", rows[1]) == theirs(stock, "openorca", rows[1])


@pytest.mark.parametrize("name", TABLE)
def test_a_missing_column_is_named_with_its_place(name):
    """Each column is needed, and null is no text."""
    for missing in columns(name):
        row = {key: "x" for key in columns(name) if key != missing}
        bad = {**row, missing: 7}
        with pytest.raises(DataError, match=rf"file\.json, line 3: no '{missing}'; the keys are '"):
            list(read_records([Record("file.json", 3, row, 0)], FORMATS[name].parse, "error", BadRows()))
        with pytest.raises(RowError, match=f"'{missing}' must be a string, it is a number"):
            ours(name, bad)


turn = st.fixed_dictionaries(
    {"output": st.text(max_size=8)},
    optional={
        "input": st.text(max_size=8), "system": st.text(max_size=8) | st.none(),
        "output_with_loss": st.booleans(),
    },
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    turns=st.lists(turn, max_size=4), template=st.sampled_from(["qwen_chat", "internlm2_chat", "llama2_chat"])
)
def test_any_conversation_of_xtuners_own_form_is_xtuners(stock, turns, template):
    """Turns with and without a prompt, a system text and a loss; none at all is dropped."""
    row = {"conversation": turns}
    assert ours("conversation", row, template) == theirs(stock, "conversation", row, template)


def test_null_in_a_turn_is_as_good_as_absent():
    """A table of rows holds null where a turn lacks a key; above all, it does not turn the loss off."""
    full = {"conversation": [{"output": "a", "input": None, "system": None, "output_with_loss": None}]}
    assert ours("conversation", full) == ours("conversation", {"conversation": [{"output": "a"}]})


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ("hello", "'conversation' must be a list, it is a string"),
        ([{"output": "a"}, "b"], r"conversation\[1\] must be an object, it is a string"),
        ([{"input": "a"}], r"conversation\[0\]: no 'output'; the keys are 'input'"),
        ([{"output": 3}], r"conversation\[0\]: 'output' must be a string, it is a number"),
        (
            [{"output": "a", "output_with_loss": "no"}],
            r"'output_with_loss' must be true or false, it is 'no'",
        ),
    ],
)
def test_a_bad_conversation_is_refused_with_its_reason(turns, reason):
    """The turn is named by its number."""
    with pytest.raises(RowError, match=reason):
        ours("conversation", {"conversation": turns})


speech = st.lists(
    st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt"]), "value": st.text(max_size=8)}),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(turns=speech)
def test_any_wizardlm_row_is_xtuners(stock, turns):
    """Leading replies are left out, prompts joined, a last prompt without a reply left out."""
    row = {"conversations": turns}
    assert ours("wizardlm", row) == theirs(stock, "wizardlm", row)


def test_an_unknown_speaker_is_refused():
    """XTuner stops there with no word of why."""
    with pytest.raises(RowError, match=r"conversations\[0\]: unknown speaker 'bot', known are human, gpt"):
        ours("wizardlm", {"conversations": [{"from": "bot", "value": "x"}]})


said = st.lists(
    st.sampled_from(["### Human:", "### Assistant:", "###", "Human:", " ", "\n", "#"]) | st.text(max_size=6),
    max_size=9,
).map("".join)


@settings(max_examples=100, deadline=None)
@given(text=said)
def test_any_oasst1_text_is_xtuners(stock, text):
    """However the markers stand in it; a text without an exchange is dropped."""
    assert ours("oasst1", {"text": text}) == theirs(stock, "oasst1", {"text": text})


def test_an_oasst1_conversation_of_two_exchanges(stock):
    """The case that the form is made for."""
    text = (
        "### Human: 你好 {x}\n### Assistant: hello\n\nthere ### Human: more?### Assistant: no ### Human: ok"
    )
    assert ours("oasst1", {"text": text}) == theirs(stock, "oasst1", {"text": text}) is not None


TOOL = {
    "name": "搜索", "description": "find {things}",
    "paths": [{"parameters": [{"name": "q", "description": "询问"}, {"name": "n", "description": "3"}]}],
}  # fmt: skip
THINK = '好的<|startofthink|>```JSON\n{"api_name": "搜索", "parameters": {"q": "天气"}}```<|endofthink|>'
EXEC = '<|startofexec|>```JSON\n{"result": [1, true, null]}```<|endofexec|>'
SYSTEM = {
    "from": "system",
    "value": f"tools: {json.dumps(TOOL)} {{not json}} {json.dumps({**TOOL, 'name': 'b'})}",
}
USER = {"from": "user", "value": "北京 {weather}?"}


def assistant(text):
    return {"from": "assistant", "value": text}


MSAGENT = [
    [SYSTEM, USER, assistant(f"{THINK}{EXEC}是晴天。")],
    [SYSTEM, USER, assistant(f"{THINK}{EXEC}"), USER, assistant("再见")],
    [USER, assistant("plain"), SYSTEM, USER, USER, assistant(THINK)],
    [SYSTEM, USER, assistant(f"{THINK}{EXEC}x{EXEC}")],
    [SYSTEM, USER, assistant(f"{THINK}{EXEC}Final Answer: twice")],
    [USER, assistant("<|startofthink|>not json<|endofthink|>")],
    [USER, assistant('<|startofthink|>{"api_name": 1}<|endofthink|>')],
    [USER, assistant("<|startofthink|>[1]<|endofthink|>")],
    [USER, assistant(f"{THINK}<|startofexec|>not json<|endofexec|>after")],
    [{"from": "system", "value": '{"name": "a", "description": "d", "paths": []}'}, USER, assistant("a")],
    [USER],
    [],
    [USER, {"from": "narrator", "value": "x"}, assistant("a")],
]


@pytest.mark.parametrize("turns", MSAGENT)
@pytest.mark.parametrize("form", [list, repr])
def test_msagent_rows_are_xtuners(stock, turns, form):
    """Tools, thoughts, responses and answers, as a list or as the text of one; invalid rows are dropped."""
    row = {"conversations": form(turns)}
    assert ours("msagent_react", row) == theirs(stock, "msagent_react", row)


PARTS = (THINK, EXEC, json.dumps(TOOL), "text", "{", "\n", "Final Answer:")


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(
        st.builds(
            lambda speaker, parts: {"from": speaker, "value": "".join(parts)},
            st.sampled_from(["system", "user", "assistant"]),
            st.lists(st.sampled_from(PARTS), max_size=4),
        ),
        max_size=5,
    )
)  # fmt: skip
def test_any_msagent_row_is_xtuners(stock, turns):
    """However the parts stand together."""
    row = {"conversations": turns}
    assert ours("msagent_react", row) == theirs(stock, "msagent_react", row)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "no 'conversations'; the keys are none"),
        ({"conversations": "__import__('os').getcwd()"}, "is text, but no Python literal"),
        ({"conversations": "{'from': 'user'}"}, "must be a list, it is a object"),
        ({"conversations": [USER, {"from": "user"}]}, r"conversations\[1\] must be an object with texts"),
    ],
)
def test_a_bad_msagent_row_is_refused(row, reason):
    """A text is read as a literal, never run."""
    with pytest.raises(RowError, match=reason):
        ours("msagent_react", row)
