"""MOSS conversations: the same tokens and labels as XTuner's own dataset of them."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftcore.data.encode import Encoder
from ftcore.data.errors import RowError
from ftcore.data.sources import Record, moss
from ftcore.data.tokenizer import codec
from tests.fixtures.tiny_tokenizer import tiny_tokenizer

META = "You are an AI assistant whose name is MOSS.\n- MOSS can {search}.\n"


def framing_tokenizer():
    """The tiny tokenizer with a post-processor that puts a bos before a text, as Llama's does."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = copy.deepcopy(tiny_tokenizer())
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    return tokenizer


TOKENIZER = framing_tokenizer()


def row(turns, meta=META):
    chat = {f"turn_{number}": turn for number, turn in enumerate(turns, start=1)}
    return {"meta_instruction": meta, "num_turns": len(turns), "chat": chat}


def turn(reply="MOSS 回答 {x}", results=None):
    said = {"Human": "<|Human|>: hi MOSS<eoh>\n", "Inner Thoughts": "<|Inner Thoughts|>: None<eot>\n"}
    said["Tool Responses"] = (
        f"<|Results|>:{results}<eor>\n" if results is not None else "<|Results|>: None<eor>\n"
    )
    return {**said, "MOSS": f"<|MOSS|>: {reply}<eom>\n"}


def encode(rows, max_length, bot_name=None):
    made = codec(TOKENIZER, None)
    encoder = Encoder(made.open(), {}, made.bos_ids, made.eos_ids, max_length, bot_name)
    return [one for [one] in encoder.rows([moss.parse(Record("f", 1, each, 0)) for each in rows])]


def ours(rows, max_length, bot_name=None):
    kept = (each for each in encode(rows, max_length, bot_name) if each.input_ids)
    return [{"input_ids": each.input_ids, "labels": each.labels} for each in kept]


def theirs(stock, folder, rows, max_length, bot_name=None):
    path = folder / "moss.jsonl"
    for stale in folder.iterdir():
        stale.unlink()
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), encoding="utf-8")
    dataset = stock.MOSSSFTDataset(str(path), TOKENIZER, max_length, bot_name)
    return [dataset[index] for index in range(len(dataset))]


ROWS = [
    row([turn(), turn(results="[1] a page\n[2] 第二页 {MOSS}"), turn()]),
    row([{"Human": "<|Human|>: q<eoh>\n", "MOSS": "<|MOSS|>: a<eom>\n"}]),
    row([{"Tool Responses": "no markers"}, {"Tool Responses": "x"}, turn()]),
    row([]),
    {**row([turn(), turn()]), "num_turns": "1"},
]


@pytest.mark.parametrize("bot_name", [None, "书生"])
@pytest.mark.parametrize("max_length", [2048, 200, 120, 20])
def test_rows_are_xtuners(stock, tmp_path, max_length, bot_name):
    """Names, meta instruction, tool results without loss, and turns that do not fit any more."""
    expected = theirs(stock, tmp_path, ROWS, max_length, bot_name)
    assert ours(ROWS, max_length, bot_name) == expected
    assert len(expected) < len(ROWS)


texts = st.text(min_size=1, max_size=20)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    turns=st.lists(
        st.dictionaries(st.sampled_from(["Human", "Tool Responses", "MOSS"]), texts, min_size=1), max_size=3
    ),
    max_length=st.integers(20, 120),
)
def test_any_row_is_xtuners(stock, tmp_path, turns, max_length):
    """Results shorter than their own markers among them."""
    assert ours([row(turns, "meta")], max_length) == theirs(stock, tmp_path, [row(turns, "meta")], max_length)


def test_results_are_not_trained_on_but_their_frame_is():
    """Only what the tool said is without loss, and the meta instruction with its bos."""
    [encoded] = encode([row([turn(results="SECRET")])], 2048)
    decode = TOKENIZER.decode
    hidden = [token for token, on in zip(encoded.input_ids, encoded.trained, strict=True) if not on]
    assert decode(hidden) == f"<s>{META}SECRET"


def test_turns_left_off_are_counted():
    """Their tokens are the ones that were cut."""
    whole, cut, none = (encode([ROWS[0]], length)[0] for length in (2048, 200, 20))
    assert 0 < len(cut.input_ids) <= 200
    assert cut.cut == len(whole.input_ids) - len(cut.input_ids)
    assert (none.input_ids, none.teaches, none.cut) == ([], False, len(whole.input_ids))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"chat": None}, "'chat' must be an object of turns, it is a null"),
        ({"num_turns": 2}, "'turn_2' must be an object, it is a null"),
        ({"num_turns": "many"}, "'num_turns' must be a number, it is 'many'"),
        ({"num_turns": None}, "'num_turns' must be a number, it is None"),
        ({"meta_instruction": 1}, "'meta_instruction' must be a string, it is a number"),
        ({"chat": {"turn_1": {"MOSS": ""}}}, r"turn_1\['MOSS'\] must be a text that is not empty"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason(change, reason):
    """XTuner stops at some of these and leaves others out in silence."""
    with pytest.raises(RowError, match=reason):
        moss.parse(Record("f", 1, {**row([turn()]), **change}, 0))
