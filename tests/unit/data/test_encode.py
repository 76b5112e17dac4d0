"""Rows to tokens: the same tokens and labels as XTuner's own functions, and none lost."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.data.encode import IGNORE_INDEX, Encoded, Encoder, chunks, render, truncated
from ftcore.data.errors import DataError
from ftcore.data.sources import Document, Message, Row
from ftcore.data.templates import prompt_template
from ftcore.data.tokenizer import codec
from tests.fixtures.agent_flan import rows
from tests.fixtures.tiny_tokenizer import tiny_tokenizer


@pytest.fixture(scope="module")
def xtuner():
    """XTuner's own functions, imported as ftcore does."""
    import transformers.utils

    transformers.utils.is_safetensors_available = lambda: True
    from xtuner.dataset.map_fns import alpaca_map_fn, openai_map_fn, template_map_fn
    from xtuner.dataset.utils import encode_fn
    from xtuner.utils.templates import PROMPT_TEMPLATE

    class Functions:
        templates = PROMPT_TEMPLATE

        @staticmethod
        def alpaca(row, template, max_length):
            mapped = template_map_fn(alpaca_map_fn(row), PROMPT_TEMPLATE[template])
            return encode_fn(mapped, tiny_tokenizer(), max_length)

        @staticmethod
        def openai(messages, template, max_length, bos=True):
            tokenizer = tiny_tokenizer()
            if not bos:
                # XTuner leaves bos out for tokenizers of this name only.
                tokenizer = copy.copy(tokenizer)
                tokenizer.__class__ = type("Qwen2TokenizerFast", (type(tokenizer),), {})
            mapped = template_map_fn(openai_map_fn({"messages": messages}), PROMPT_TEMPLATE[template])
            return encode_fn(mapped, tokenizer, max_length)

    return Functions


def encoder(template="qwen_chat", bos=True, max_length=4096):
    made = codec(tiny_tokenizer(), bos)
    return Encoder(made.open(), prompt_template(template), made.bos_ids, made.eos_ids, max_length)


def ours(messages, **settings):
    row = Row("x", tuple(Message(m["role"], m["content"], m.get("loss", False)) for m in messages))
    [[encoded]] = encoder(**settings).rows([row])
    return {"input_ids": encoded.input_ids, "labels": encoded.labels}


def explicit(turns):
    return [{**turn, "loss": turn.get("loss", turn["role"] == "assistant")} for turn in turns]


CONVERSATIONS = [explicit(row["conversation"]) for row in rows(40, seed=5, words=12)] + [
    explicit([{"role": "user", "content": "{braces} {} {input} {{x}}"},
              {"role": "assistant", "content": "{system}"}]),
    explicit([{"role": "assistant", "content": "hello"}, {"role": "user", "content": "你好"},
              {"role": "assistant", "content": "再见 {0}"}]),
    explicit([{"role": "system", "content": "一"}, {"role": "system", "content": "二"},
              {"role": "user", "content": "a"}, {"role": "user", "content": "b"},
              {"role": "assistant", "content": ""},
              {"role": "assistant", "content": "again", "loss": False},
              {"role": "user", "content": "left over"}]),
    explicit([{"role": "user", "content": "<|im_end|></s> special"},
              {"role": "assistant", "content": "<s>\n\n x"}]),
    explicit([{"role": "system", "content": "only"}, {"role": "assistant", "content": "reply"}]),
    explicit([{"role": "assistant", "content": "nobody asked"}]),
]  # fmt: skip


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize(
    "template", ["qwen_chat", "llama3_chat", "default", "chatglm2", "gemma", "deepseek_v2"]
)
def test_tokens_and_labels_are_xtuners(xtuner, template, bos):
    """Multi-turn, untrained turns, braces, Chinese, leading replies: every id and label agrees."""
    for messages in CONVERSATIONS:
        expected = xtuner.openai(copy.deepcopy(messages), template, 200, bos)
        assert ours(messages, template=template, bos=bos, max_length=200) == expected


turns = st.lists(
    st.builds(
        lambda role, content, loss: {"role": role, "content": content, "loss": role == "assistant" and loss},
        st.sampled_from(["system", "user", "assistant"]), st.text(max_size=12), st.booleans(),
    ),
    min_size=1, max_size=7,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    messages=turns, template=st.sampled_from(["qwen_chat", "zephyr", "moss_sft"]), length=st.integers(1, 60)
)
def test_any_conversation_is_encoded_as_xtuner_does(xtuner, messages, template, length):
    """Whatever the order of roles and the text, truncation included."""
    expected = xtuner.openai(copy.deepcopy(messages), template, length)
    assert ours(messages, template=template, max_length=length) == expected


def test_alpaca_rows_are_xtuners(xtuner):
    """The whole way of an alpaca row, from the file's object on."""
    from ftcore.data.sources import Record, alpaca

    row = {"instruction": "Translate", "input": "你好 {x}", "output": "hello"}
    [[encoded]] = encoder("default").rows([alpaca.parse(Record("f", 1, row, 0))])
    assert {"input_ids": encoded.input_ids, "labels": encoded.labels} == xtuner.alpaca(row, "default", 4096)


def test_templates_read_from_source_are_those_that_xtuner_imports(xtuner):
    """Reading the file in place of importing it changes no template."""
    assert {name: prompt_template(name) for name in xtuner.templates} == xtuner.templates.to_dict()


def test_an_unknown_template_is_refused_with_the_nearest_name():
    """A misspelt template is a wrong request."""
    with pytest.raises(DataError, match="no template 'llama3_chatt'; did you mean 'llama3_chat'"):
        prompt_template("llama3_chatt")


def test_a_system_text_needs_a_place_in_the_template():
    """minicpm has no SYSTEM; dropping the text in silence would train on another prompt."""
    messages = (Message("system", "s", False), Message("user", "u", False), Message("assistant", "a", True))
    with pytest.raises(DataError, match="no place for a system text"):
        render(messages, prompt_template("minicpm"))


def test_bos_is_refused_where_the_tokenizer_has_none():
    """Asking for a token that does not exist is a wrong request."""
    tokenizer = copy.deepcopy(tiny_tokenizer())
    tokenizer.bos_token = None
    with pytest.raises(DataError, match=r"model\.bos is true"):
        codec(tokenizer, bos=True)


def test_padding_and_truncation_stored_in_a_tokenizer_file_have_no_part():
    """A tokenizer.json saved by a training script may cut at 512 in silence."""
    tokenizer = copy.deepcopy(tiny_tokenizer())
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.enable_padding(length=8)
    assert codec(tokenizer, False).open()(["a b c d e f"]) == codec(tiny_tokenizer(), False).open()(
        ["a b c d e f"]
    )


def test_a_document_ends_with_eos_and_every_token_is_labelled():
    """Pretraining text: bos, text, eos, all of it labelled."""
    tokenizer = tiny_tokenizer()
    [[encoded]] = encoder().rows([Document("d", "the weather")])
    text = tokenizer.encode("the weather", add_special_tokens=False)
    assert encoded.input_ids == [tokenizer.bos_token_id, *text, tokenizer.eos_token_id]
    assert encoded.labels == encoded.input_ids


def test_a_text_that_needs_eos_is_refused_without_one():
    """A document whose end is not marked would run into nothing."""
    made = encoder()
    without = Encoder(made.encode, made.template, made.bos_ids, (), 64)
    with pytest.raises(DataError, match="no end-of-sequence token"):
        without.rows([Document("d", "x")])


@given(total=st.integers(1, 300), max_length=st.integers(8, 40))
def test_chunks_lose_no_token_and_leave_none_alone(total, max_length):
    """In order, none over max_length, and none of one token that nothing could predict."""
    parts = chunks(Encoded(list(range(total)), [True] * total), max_length)
    assert [token for part in parts for token in part.input_ids] == list(range(total))
    assert all(len(part.input_ids) <= max_length for part in parts)
    assert total == 1 or all(part.teaches for part in parts)


def test_truncation_keeps_the_beginning_and_counts_the_rest():
    """The first max_length tokens stay."""
    row = truncated(Encoded([1, 2, 3, 4, 5], [False, False, False, True, True]), 3)
    assert (row.input_ids, row.cut, row.teaches) == ([1, 2, 3], 2, False)
    assert row.labels == [IGNORE_INDEX] * 3


def test_a_label_on_the_first_token_alone_teaches_nothing():
    """Nothing stands before the first token, so a loss over it would be empty."""
    assert not Encoded([7, 8], [True, False]).teaches
    assert Encoded([7, 8], [False, True]).teaches
