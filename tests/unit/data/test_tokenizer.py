"""What is stated of a tokenizer, and what is found out from it."""

import copy

import pytest

from ftcore.data.errors import DataError
from ftcore.data.prepare import cache_key, prepare
from ftcore.data.tokenizer import TokenizerSource, bos_ids, codec, load_tokenizer
from tests.fixtures.data_experiment import data_experiment
from tests.fixtures.tiny_tokenizer import save_tiny_tokenizer, tiny_tokenizer


def called(name, **tokens):
    """A tokenizer whose class has this name."""
    return type(name, (), {"bos_token_id": None, "eos_token_id": 2, **tokens})()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_tokenizer(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize(
    "tokenizer",
    [called("QWenTokenizer", bos_token_id=5), called("Qwen2TokenizerFast", bos_token_id=5),
     called("ChatGLMTokenizer", bos_token_id=5), called("LlamaTokenizerFast", bos_token_id=1),
     tiny_tokenizer()],
)  # fmt: skip
def test_an_unsaid_bos_is_what_xtuner_finds_out(stock, tokenizer):
    """By the name of the class, or the tokenizer's own."""
    expected, _ = stock.get_bos_eos_token_ids(tokenizer)
    assert list(bos_ids(tokenizer, None)) == expected


def test_an_unsaid_bos_of_a_tokenizer_without_one_is_none():
    """XTuner stops there; Qwen's tokenizer under transformers 5 is such a one by another class name."""
    assert bos_ids(called("GPT2TokenizerFast"), None) == ()
    assert bos_ids(called("Qwen2Tokenizer", bos_token_id=5), None) == ()


def test_a_stated_bos_holds():
    """Whatever the class is called."""
    assert bos_ids(called("Qwen2TokenizerFast", bos_token_id=5), True) == (5,)
    assert bos_ids(called("LlamaTokenizerFast", bos_token_id=1), False) == ()
    assert bos_ids(called("ChatGLMTokenizer"), True) == (64790, 64792)
    with pytest.raises(DataError, match=r"model\.bos is true"):
        bos_ids(called("GPT2TokenizerFast"), True)


def test_a_stated_end_of_sequence_takes_the_place_of_the_tokenizers(folder):
    """It is the one that texts end with."""
    loaded = load_tokenizer(TokenizerSource(str(folder), False, {"eos_token": "<|im_end|>"}))
    assert codec(loaded, None).eos_ids == (tiny_tokenizer().convert_tokens_to_ids("<|im_end|>"),)
    assert len(loaded) == len(tiny_tokenizer())


def test_an_end_of_sequence_that_is_no_token_is_refused(folder):
    """It would be added, with an id that the model has no weights for."""
    with pytest.raises(DataError, match=r"model\.tokenizer\.eos_token: the tokenizer has no token '<end>'"):
        load_tokenizer(TokenizerSource(str(folder), False, {"eos_token": "<end>"}))


def test_texts_are_encoded_with_special_tokens_where_asked(folder):
    """As the tokenizer puts them; without, none."""
    from tokenizers.processors import TemplateProcessing

    framing = copy.deepcopy(tiny_tokenizer())
    framing.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    encode = codec(framing, None).open()
    [bare], [framed] = encode(["the weather"]), encode(["the weather"], special=True)
    assert framed == [1, *bare, 2] == framing.encode("the weather")


def test_only_what_decides_tokens_is_in_the_key(tmp_path, folder):
    """The end of sequence is, the side of padding is not."""
    (tmp_path / "rows.jsonl").write_text('{"text": "a document"}\n')

    def experiment(**stated):
        options = {"padding_side": "right", "eos_token": None, "encode_special_tokens": None, **stated}
        return data_experiment(
            tmp_path / "cache", folder, format="text", path=str(tmp_path / "rows.jsonl"), packing=False,
            model={"tokenizer": options, "bos": None},
        )  # fmt: skip

    assert cache_key(experiment(padding_side="left")) == cache_key(experiment())
    ended = experiment(eos_token="<|eot_id|>")
    assert cache_key(ended) != cache_key(experiment())
    assert prepare(ended).manifest["tokens"] == prepare(experiment()).manifest["tokens"]
