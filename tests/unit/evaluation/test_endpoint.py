"""A served model, asked over HTTP: retries, failures, and what is kept."""

import threading
import time

import pytest

from ftcore.config.compose import compose
from ftcore.config.errors import RequestError, WorkError
from ftcore.data.bfcl import load_cases
from ftcore.data.wording import prompt_messages
from ftcore.evaluation.answers import Answer, Answers, alone
from ftcore.evaluation.endpoint import Endpoint, served
from tests.fixtures.chat_server import Refused, chat_server

TEXT = "Thought: x\nFinal Answer: 不行"
CASES = load_cases("multiple")[:12]


def experiment(**changed):
    settings = {"retries": 0, "timeout_seconds": 5, "concurrency": 4} | changed
    words = [f"evaluation.endpoint.{key}={value}" for key, value in settings.items()]
    return compose(["hardware=cpu", *words]).experiment


def ask(server, answers, name="tuned", **changed):
    seen = []
    Endpoint(experiment(**changed), server.url, name).answer(answers, seen.append)
    assert seen == sorted(seen) and (not seen or seen[-1] == len(answers.cases))
    return answers.whole()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Retries follow at once."""
    monkeypatch.setattr("ftcore.evaluation.endpoint.WAIT_SECONDS", 0.001)


def test_the_same_messages_as_in_process_are_sent(tmp_path):
    """Text mode sends the prompt of the training data, greedily, and keeps the text."""
    with chat_server(lambda body: {"content": TEXT}) as server:
        assert ask(server, Answers(CASES)) == [Answer(TEXT)] * len(CASES)
    sent = {body["messages"][1]["content"]: body for body in server.asked}
    assert len(sent) == len(CASES) and server.most_at_once <= 4
    for case in CASES:
        assert sent[case.question]["messages"] == prompt_messages(case)
        assert sent[case.question]["temperature"] == 0 and sent[case.question]["max_tokens"] == 112


def test_tools_are_sent_and_their_calls_come_back():
    """With `tools`, the question alone; a call is one of the case's own tools again."""

    def reply(body):
        name = body["tools"][0]["function"]["name"]
        call = {"type": "function", "function": {"name": name, "arguments": "{}"}}
        return {"content": None, "tool_calls": [call]}

    with chat_server(reply) as server:
        found = ask(server, Answers(CASES), prompt="tools")
    for case, answer in zip(CASES, found, strict=True):
        [call] = answer.reply(case).calls
        assert (call.name, call.arguments) == (case.functions[0]["name"], {})
    assert all(len(body["messages"]) == 1 for body in server.asked)


def test_a_server_that_is_busy_is_asked_again():
    """503 and a broken connection pass; every case is answered once."""
    dice = iter([True, False] * 100)

    def reply(body):
        if next(dice):
            raise Refused(503, "overloaded")
        return {"content": TEXT}

    with chat_server(reply) as server:
        assert len(ask(server, Answers(CASES), retries=8)) == len(CASES)
    assert len(server.asked) > len(CASES)


@pytest.mark.parametrize(
    ("answer", "why", "asked"),
    [
        (Refused(400, "maximum context length is 10"), r"status 400: .*maximum context length is 10", 1),
        (Refused(401, "no key"), "status 401", 1),
        (Refused(503, "overloaded"), r"status 503: .*overloaded.*\(3 times\)", 3),
        (b"<html>", r"no JSON \(3 times\)|no JSON", 1),
        (b'{"choices": []}', "not a chat completion", 1),
        (b"[]", "not a chat completion", 1),
    ],
)
def test_what_gets_no_answer_says_why(answer, why, asked):
    """The server's own words, and how often it was asked; what will not pass is not asked again."""

    def reply(body):
        if isinstance(answer, bytes):
            return answer
        raise answer

    with chat_server(reply) as server, pytest.raises(WorkError, match=why):
        ask(server, Answers(CASES[:1]), retries=2)
    assert len(server.asked) >= asked and (asked > 1 or isinstance(answer, bytes) or len(server.asked) == 1)


def test_a_server_that_is_down_says_so():
    """Nothing listens there any more."""
    with chat_server(lambda body: {"content": TEXT}) as server:
        pass
    with pytest.raises(WorkError, match=r"cannot be reached: .*refused"):
        ask(server, Answers(CASES))
    with pytest.raises(WorkError, match="refused"):
        served(server.url, None, 5, "--served-model")


def test_a_server_that_does_not_answer_in_time(monkeypatch):
    """The limit is a request's own."""
    over = threading.Event()

    def reply(body):
        while not over.is_set():
            time.sleep(0.02)
        return {"content": TEXT}

    with chat_server(reply) as server:
        try:
            with pytest.raises(WorkError, match=r"no answer (within 1 s|in time)"):
                ask(server, Answers(CASES[:1]), timeout_seconds=1)
        finally:
            over.set()


def test_what_was_answered_is_kept_and_not_asked_again(tmp_path):
    """After a failure the rest alone is asked, and the answers are those of an undisturbed evaluation."""
    left = iter(range(5))

    def fails(body):
        if next(left, None) is None:
            raise Refused(400, "enough")
        return {"content": body["messages"][1]["content"]}

    file = tmp_path / "tuned.jsonl"
    with chat_server(fails) as server, pytest.raises(WorkError):
        ask(server, Answers(CASES, file), concurrency=1)
    kept = Answers(CASES, file)
    assert len(kept.known) == 5
    with file.open("a") as broken:
        broken.write('{"id": "multiple_7", "text": "torn')
    with chat_server(lambda body: {"content": body["messages"][1]["content"]}) as server:
        whole = ask(server, Answers(CASES, file))
    assert len(server.asked) == len(CASES) - 5
    assert whole == [Answer(case.question) for case in CASES] == Answers(CASES, file).whole()


def test_a_report_that_raises_stops_it():
    """Ctrl-C, or a job that is told to end; what is under way is still kept."""

    def stop(count):
        if count:
            raise KeyboardInterrupt

    answers = Answers(CASES)
    with chat_server(lambda body: {"content": TEXT}) as server, pytest.raises(KeyboardInterrupt):
        Endpoint(experiment(), server.url, "tuned").answer(answers, stop)
    assert 0 < len(answers.known) <= len(CASES)


def test_the_model_is_found_out_or_has_to_be_named():
    """The only one is taken, of several one has to be named, and it has to be there."""
    with chat_server(lambda body: {}, "a", "b") as server:
        assert served(server.url, "b", 5, "--served-model") == "b"
        for wanted, why in ((None, "2 models are served"), ("c", "is not served there")):
            with pytest.raises(RequestError, match=f"{why}.*allowed: a, b"):
                served(server.url, wanted, 5, "--served-model")
        server.models = ("a",)
        assert served(server.url, None, 5, "--served-model") == "a"


def test_the_key_is_sent_and_nowhere_else(monkeypatch):
    """From the environment alone."""
    with chat_server(lambda body: {"content": TEXT}) as server:
        ask(server, Answers(CASES[:1]))
        monkeypatch.setenv("OPENAI_API_KEY", "k-123")
        ask(server, Answers(CASES[:1]))
    assert [one.get("Authorization") for one in server.headers] == [None, "Bearer k-123"]
    assert "k-123" not in str(server.asked)


def test_a_second_process_is_kept_out(tmp_path):
    """One evaluation is done once at a time."""
    with alone(tmp_path / "x"), pytest.raises(WorkError, match="another process"), alone(tmp_path / "x"):
        pass
    with alone(tmp_path / "x"):
        pass
