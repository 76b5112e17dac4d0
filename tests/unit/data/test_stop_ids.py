"""Which tokens end a reply, stated or found out."""

import pytest

from ftcore.config.errors import WorkError
from ftcore.data.templates import prompt_template
from ftcore.evaluation.generate import stop_ids
from tests.fixtures.tiny_tokenizer import tiny_tokenizer

IM_END, EOS = (tiny_tokenizer().convert_tokens_to_ids(token) for token in ("<|im_end|>", "</s>"))


def words(template):
    return prompt_template(template).get("STOP_WORDS", ())


@pytest.mark.parametrize(
    ("template", "expected"), [("qwen_chat", [IM_END, EOS]), ("moss_sft", [EOS]), ("default", [EOS])]
)
def test_unsaid_it_is_the_templates_words_and_the_end_of_sequence(template, expected):
    """A word that is no token of this tokenizer cannot end anything."""
    assert stop_ids(tiny_tokenizer(), None, words(template)) == expected


def test_stated_tokens_are_all_there_are():
    """Neither the template's nor the end of sequence come to them."""
    assert stop_ids(tiny_tokenizer(), ("<|im_end|>",), words("llama3_chat")) == [IM_END]
    assert stop_ids(tiny_tokenizer(), (), words("qwen_chat")) == []


def test_a_stated_token_that_the_tokenizer_lacks_is_refused():
    """Generation would run on, or end at every unknown character."""
    with pytest.raises(WorkError, match=r"model\.stop_tokens: the tokenizer has no token '<eoc>'"):
        stop_ids(tiny_tokenizer(), ("<|im_end|>", "<eoc>"), ())
