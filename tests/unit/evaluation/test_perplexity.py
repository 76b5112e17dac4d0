"""The perplexity of held-out text, against plain fp32 PyTorch."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from ftcore.config.errors import WorkError
from ftcore.config.schema.evaluation import Perplexity
from ftcore.evaluation import heldout_text
from ftcore.evaluation.foreseen import Block, compare
from ftcore.evaluation.perplexity import losses, tokenised, windows

TEXTS = ("Ada lives in Paris. " * 12, "", "Where does Bo live?", "I")


@pytest.fixture(scope="module")
def loaded(tiny):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny.model, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(tiny.model)


def settings(**changed):
    given = {"text": "x", "max_tokens": 400, "window": 32, "stride": 20, "batch_size": 3}
    return Perplexity(**(given | changed))


@torch.inference_mode()
def by_hand(model, ids, window, stride):
    """-log p of every token but the first, one forward pass a token, from what its window begins with."""
    total = 0.0
    for at in range(1, len(ids)):
        begin = 0 if at < window else -(-(at - window + 1) // stride) * stride
        logits = model(torch.tensor([ids[begin:at]])).logits[0, -1]
        total -= functional.log_softmax(logits, -1)[ids[at]].item()
    return total


@pytest.mark.parametrize(("window", "stride"), [(32, 20), (32, 31), (16, 1), (400, 200)])
def test_losses_are_those_of_plain_pytorch(loaded, window, stride):
    """In batches, padded and in overlapping windows, the sum is that of one token at a time."""
    model, tokenizer = loaded
    documents = tokenised(tokenizer, TEXTS, 400)
    blocks = losses(model, documents, settings(window=window, stride=stride), lambda *_: None)
    expected = sum(by_hand(model, ids, window, stride) for ids in documents)
    assert sum(block.loss for block in blocks) == pytest.approx(expected, rel=1e-5)
    assert sum(block.tokens for block in blocks) == sum(max(len(ids) - 1, 0) for ids in documents)


def test_one_window_gives_transformers_own_loss(loaded):
    """A text that fits one window has the loss that the model itself computes with labels."""
    model, tokenizer = loaded
    ids = tokenised(tokenizer, TEXTS[:1], 30)
    [block] = losses(model, ids, settings(), lambda *_: None)
    with torch.inference_mode():
        own = model(torch.tensor(ids), labels=torch.tensor(ids)).loss.item()
    assert block.loss / block.tokens == pytest.approx(own, rel=1e-6) and block.tokens == 29


@given(
    st.lists(st.integers(0, 90), max_size=4),
    st.integers(2, 40).flatmap(lambda window: st.tuples(st.just(window), st.integers(1, window - 1))),
)
def test_every_token_counts_once(lengths, window_and_stride):
    """But for a document's first, and each from window - stride tokens before it at least."""
    window, stride = window_and_stride
    found = windows(lengths, window, stride)
    counted = [(one.document, at) for one in found for at in range(one.scored, one.end)]
    assert counted == [(document, at) for document, length in enumerate(lengths) for at in range(1, length)]
    for one in found:
        assert one.scored - one.begin >= 1 and one.end - one.begin <= window
        assert one.begin == 0 or one.scored - one.begin >= window - stride


def test_tokens_are_cut_at_the_most(loaded):
    """Over all documents together, and a rest of one token is none."""
    tokenizer = loaded[1]
    whole = [len(ids) for ids in tokenised(tokenizer, TEXTS, 10**6)]
    assert sum(map(len, tokenised(tokenizer, TEXTS, 50))) == 50
    assert [len(ids) for ids in tokenised(tokenizer, TEXTS, whole[0] + 1)] == whole[:1]


def test_a_model_that_forgot_is_seen(loaded):
    """A spoilt model's perplexity rises, and the ratio's interval leaves out 1; against itself it is 1."""
    model, tokenizer = loaded
    documents = tokenised(tokenizer, [TEXTS[0] * 4], 400)
    base = losses(model, documents, settings(), lambda *_: None)
    same = compare(base, base, seed=1)
    assert same["difference"] | {"windows": 0} == {"ratio": 1.0, "low": 1.0, "high": 1.0, "windows": 0}
    worse = [Block(one.loss * 1.2 + index % 3, one.tokens) for index, one in enumerate(base)]
    found = compare(base, worse, seed=1)
    assert found["difference"]["low"] > 1.05
    assert found["difference"]["ratio"] == pytest.approx(found["tuned"]["value"] / found["base"]["value"])
    mean = sum(one.loss for one in base) / sum(one.tokens for one in base)
    assert found["base"]["value"] == pytest.approx(math.exp(mean))
    assert found["base"]["low"] < found["base"]["value"] < found["base"]["high"]


def test_models_with_other_tokens_are_not_compared():
    """Blocks of other sizes are of another tokenizer."""
    with pytest.raises(ValueError, match="different tokens"):
        compare([Block(3.0, 4)], [Block(3.0, 5)], seed=1)


def test_pythons_reference_is_there():
    """Text in every interpreter, the same each time."""
    found = heldout_text.read("python_reference")
    assert found == heldout_text.read("python_reference") and "Python" in found.name
    assert sum(map(len, found.documents)) > 200_000 and "assert" in found.documents[0]


def test_a_file_is_a_document_and_jsonl_one_a_line(tmp_path):
    """Empty documents are left out, Chinese is kept, a byte order mark is none of the text."""
    (tmp_path / "a.txt").write_text("\ufeff文本\n二", encoding="utf-8")
    assert heldout_text.read(str(tmp_path / "a.txt")).documents == ("文本\n二",)
    rows = [{"text": "一"}, {"text": " "}, {"text": "二", "more": 1}]
    (tmp_path / "b.jsonl").write_text("\n\n".join(map(json.dumps, rows)))
    assert heldout_text.read(str(tmp_path / "b.jsonl")).documents == ("一", "二")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("gone.txt", None, "No such file"),
        ("empty.txt", b" \n", "holds no text"),
        ("latin.txt", "caf\u00e9".encode("latin-1"), "not UTF-8: byte 3"),
        ("rows.jsonl", b'{"text": "a"}\n{"txt": "b"}', "line 2"),
        ("rows.jsonl", b'{"text": 3}', "line 1"),
        ("rows.jsonl", b"[1", "line 1"),
    ],
)
def test_text_that_cannot_be_read_says_why(tmp_path, name, content, why):
    """With the file and, of rows, the line."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WorkError, match=why):
        heldout_text.read(str(tmp_path / name))
