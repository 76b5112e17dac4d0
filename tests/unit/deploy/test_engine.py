"""Replies of a real model, token by token."""

import threading

import pytest

from ftcore.config.compose import compose
from ftcore.deploy import engine as engines
from ftcore.deploy.bad_request import BadRequest
from ftcore.deploy.sampling import Sampling

ASK = [{"role": "user", "content": "Where does Ada live? 寿司"}]
STOPS = (2,)


@pytest.fixture(scope="module")
def settings(tiny):
    words = ["model=qwen2_5_7b_instruct", f"model.path={tiny.model}", "hardware=cpu"]
    return compose(words).experiment.model


@pytest.fixture(scope="module")
def engine(tiny, settings):
    """The tiny model of the other tests: random, so its replies are any tokens at all."""
    return engines.load(tiny.model, settings, STOPS, 512, device="cpu")


def said(engine, sampling, messages=ASK):
    """The pieces of a reply, the text they make, and the last one."""
    pieces = list(engine.stream(messages, sampling))
    assert all(piece.finish_reason is None for piece in pieces[:-1]) and pieces[-1].finish_reason
    return pieces, "".join(piece.text for piece in pieces), pieces[-1]


def test_a_greedy_reply_is_that_of_generate(engine):
    """The same text as transformers gives at once, with its tokens counted."""
    _, text, last = said(engine, Sampling(24, temperature=0))
    prompt = engine.tokenizer.apply_chat_template(ASK, tokenize=False, add_generation_prompt=True)
    batch = engine.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    length = batch["input_ids"].shape[1]
    tokens = engine.model.generate(**batch, do_sample=False, max_new_tokens=24, eos_token_id=list(STOPS))
    assert text == engine.tokenizer.decode(tokens[0, length:], skip_special_tokens=True)
    assert last.prompt_tokens == length
    assert (last.completion_tokens, last.finish_reason) == (24, "length")


def test_a_reply_ends_at_a_stop_text(engine):
    """Which is no part of it, nor is anything after."""
    _, text, _ = said(engine, Sampling(24, temperature=0))
    stop = text[len(text) // 2 : len(text) // 2 + 3]
    pieces, cut, last = said(engine, Sampling(24, temperature=0, stop=(stop,)))
    assert cut == text[: text.index(stop)] and last.finish_reason == "stop"
    assert last.completion_tokens <= 24 and len(pieces) > 1


def test_a_reply_ends_at_a_stop_token(engine, tiny, settings):
    """A token that the model says first ends a reply before it begins."""
    first = engine.tokenizer(said(engine, Sampling(1, temperature=0))[1], add_special_tokens=False)[
        "input_ids"
    ]
    other = engines.load(tiny.model, settings, (*STOPS, *first), 512, device="cpu")
    _, text, last = said(other, Sampling(24, temperature=0))
    assert last.finish_reason == "stop" and last.completion_tokens == 1 and text == ""


def test_drawn_replies_follow_their_seed(engine):
    """The same seed draws the same reply, another one another; greedy replies need none."""
    texts = [said(engine, Sampling(16, temperature=1.5, seed=seed))[1] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert len({said(engine, Sampling(8, temperature=0, seed=seed))[1] for seed in (1, 2)}) == 1


def test_a_conversation_that_does_not_fit(engine):
    """Too many tokens are refused; where little room is left, the reply has that."""
    with pytest.raises(BadRequest) as error:
        said(engine, Sampling(8), [{"role": "user", "content": "long " * 600}])
    assert error.value.code == "context_length_exceeded"
    *_, last = said(engine, Sampling(1_000, temperature=0), [{"role": "user", "content": "y" * 460}])
    assert last.prompt_tokens + last.completion_tokens <= 512


def test_messages_that_the_template_refuses(engine, monkeypatch):
    """The template's own words are the client's answer."""
    monkeypatch.setattr(engine.tokenizer, "chat_template", "{{ raise_exception('no system role here') }}")
    with pytest.raises(BadRequest, match="no system role here"):
        said(engine, Sampling(8))


def test_nobody_waits_any_more(engine):
    """A reply is ended where its reader has gone, and the next one has its turn."""
    gone = threading.Event()
    gone.set()
    assert [piece.completion_tokens for piece in engine.stream(ASK, Sampling(400), gone)][-1] <= 2
    stream = engine.stream(ASK, Sampling(400, temperature=0))
    next(stream)
    stream.close()
    assert not engine.turn.locked()
    assert said(engine, Sampling(2, temperature=0))[2].completion_tokens == 2


def test_a_failure_reaches_the_reader(engine, monkeypatch):
    """What goes wrong while a reply is made is raised where it is read, and the next has its turn."""

    def broken(**kwargs):
        raise RuntimeError("no memory")

    monkeypatch.setattr(engine.model, "generate", broken)
    with pytest.raises(RuntimeError, match="no memory"):
        said(engine, Sampling(2))
    assert not engine.turn.locked()
