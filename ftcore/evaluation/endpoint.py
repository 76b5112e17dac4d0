"""A served model asked over the OpenAI API's chat completions."""

import http.client
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from ftcore.config.errors import Problem, RequestError, WorkError
from ftcore.config.schema import Experiment
from ftcore.data import wording
from ftcore.data.bfcl import Case
from ftcore.evaluation import tools
from ftcore.evaluation.answers import Answer, Answers
from ftcore.evaluation.foreseen import Block
from ftcore.evaluation.heldout_text import HeldOut
from ftcore.evaluation.languages import as_offered

KEY = "OPENAI_API_KEY"
"""Environment variable whose value is sent as a bearer token where it is set."""

LATER = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same request may well be answered."""

WAIT_SECONDS = 1
"""Before a request is sent a second time; twice as long each time after."""

LOOK_SECONDS = 0.2
"""Between two looks at what came in."""

SAID = 300
"""Characters of a server's complaint that are shown."""


class Endpoint:
    """The model `name` served under `url` (the part before `/chat/completions`)."""

    def __init__(self, e: Experiment, url: str, name: str) -> None:
        self.e, self.url, self.name = e, url, name
        self._over = threading.Event()

    def answer(self, answers: Answers, done: Callable[[float], None]) -> None:
        """Answer what is not known yet, several at once. WorkError where a request gets no answer in the end;
        what was answered until then is kept."""
        missing = [index for index in range(len(answers.cases)) if index not in answers.known]
        self._over.clear()
        workers = ThreadPoolExecutor(self.e.evaluation.endpoint.concurrency)
        waiting = {workers.submit(self._ask, answers.cases[index]): index for index in missing}
        try:
            while waiting:
                ready, _ = wait(waiting, timeout=LOOK_SECONDS, return_when=FIRST_EXCEPTION)
                # Files are written in this thread alone, and those that came are kept before one is told of
                # that did not.
                for future in sorted(ready, key=lambda one: one.exception() is not None):
                    answers.keep(waiting[future], future.result())
                    del waiting[future]
                done(len(answers.known))
        finally:
            self._over.set()
            workers.shutdown(wait=True, cancel_futures=True)
            for future, index in waiting.items():
                if not future.cancelled() and future.exception() is None:
                    answers.keep(index, future.result())

    def foresee(self, text: HeldOut, done: Callable[[int, int], None]) -> list[Block]:
        raise WorkError("an endpoint does not say how likely a given text is: perplexity needs the weights")

    def close(self) -> None:
        """Nothing is held between two requests."""

    def _ask(self, case: Case) -> Answer:
        body: dict[str, Any] = {
            "model": self.name, "temperature": 0, "max_tokens": self.e.evaluation.max_new_tokens,
        }  # fmt: skip
        with_tools = self.e.evaluation.endpoint.prompt == "tools"
        if with_tools:
            body["messages"] = [{"role": "user", "content": case.question}]
            if case.functions:  # an empty list is refused
                body["tools"] = tools.as_tools(case)
        else:
            body["messages"] = wording.prompt_messages(as_offered(case))
        reply = self._completed(body)
        try:
            message = reply["choices"][0]["message"]
            text, calls = message.get("content") or "", message.get("tool_calls") or ()
            return Answer(text, tuple(calls) if with_tools else None)
        except (KeyError, IndexError, TypeError, AttributeError):
            shown = json.dumps(reply, ensure_ascii=False)[:SAID]
            raise WorkError(f"{self.url}: not a chat completion: {shown}") from None

    def _completed(self, body: dict[str, Any]) -> Any:
        settings = self.e.evaluation.endpoint
        for attempt in range(settings.retries + 1):
            try:
                return request(f"{self.url}/chat/completions", settings.timeout_seconds, body)
            except Unanswered as error:
                over = self._over.is_set() or not error.passing or attempt == settings.retries
                if over:
                    tries = f" ({attempt + 1} times)" if attempt else ""
                    raise WorkError(f"{self.url}: {error}{tries}") from None
                # Wakes up early where another request has failed for good.
                self._over.wait(WAIT_SECONDS * 2**attempt)
        raise AssertionError("a request ends with an answer or an error")


class Unanswered(Exception):
    """A request that got no answer; `passing` where it may get one later."""

    def __init__(self, what: str, passing: bool) -> None:
        self.passing = passing
        super().__init__(what)


def request(url: str, timeout: float, body: dict[str, Any] | None = None) -> Any:
    """The JSON that a GET, or with `body` a POST, is answered with; Unanswered otherwise."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    try:
        asked = urllib.request.Request(url, data, headers)
        with urllib.request.urlopen(asked, timeout=timeout) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        said = " ".join(error.read().decode("utf-8", "replace").split())[:SAID]
        raise Unanswered(f"status {error.code}: {said}", error.code in LATER) from None
    except TimeoutError:
        raise Unanswered(f"no answer within {timeout:g} s", True) from None
    except urllib.error.URLError as error:
        reason = "no answer in time" if isinstance(error.reason, TimeoutError) else error.reason
        raise Unanswered(f"cannot be reached: {reason}", True) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(f"the connection broke: {error or type(error).__name__}", True) from None
    except ValueError:
        raise Unanswered("its answer is no JSON", True) from None


def served(url: str, wanted: str | None, timeout: float, flag: str) -> str:
    """The name of the model to ask at `url`: `wanted`, or the only one there.

    RequestError under `flag` where there are several or not that one; WorkError where the server does not
    answer. A server without a list of models is asked for `wanted`.
    """
    try:
        listed = request(f"{url}/models", timeout)
        names = [one["id"] for one in listed["data"]]
    except Unanswered as error:
        if wanted is not None and not error.passing:
            return wanted
        raise WorkError(f"{url}: {error}") from None
    except (KeyError, TypeError):
        raise WorkError(f"{url}/models: not a list of models") from None
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return wanted
    message = "is not served there" if wanted else f"{len(names)} models are served: one has to be named"
    raise RequestError([Problem(flag, f"{wanted or url}: {message}", ", ".join(names))])
