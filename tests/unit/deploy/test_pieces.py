"""What a client asks of a reply, and where a reply ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.deploy.bad_request import BadRequest
from ftcore.deploy.sampling import Sampling, sampling
from ftcore.deploy.stop_text import before_stop


@given(
    text=st.text("ab\n", max_size=20),
    stops=st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
    at=st.integers(0, 20),
)
def test_a_stop_text_is_never_shown(text, stops, at):
    """What is shown early is the beginning of what is shown in the end, and holds no stop text."""
    whole, found = before_stop(text, stops, final=True)
    early, _ = before_stop(text[:at], stops, final=False)
    assert whole.startswith(early) and text.startswith(whole)
    assert not any(stop in whole for stop in stops)
    assert found == (whole != text) or any(text == whole + stop for stop in stops)


def test_what_a_client_asks():
    """Fields of the request, with the newer name for the longest reply before the older one."""
    asked = sampling(
        {"max_tokens": 9, "max_completion_tokens": 7, "temperature": 0, "top_p": 0.5, "seed": 3, "stop": "x",
         "n": 1, "presence_penalty": 0.0, "logprobs": False, "response_format": {"type": "text"}},
        100,
    )  # fmt: skip
    assert asked == Sampling(7, 0.0, 0.5, 3, ("x",))
    assert sampling({"stop": ["a", "b"]}, 100) == Sampling(100, stop=("a", "b"))


@pytest.mark.parametrize(
    ("body", "param"),
    [({"max_tokens": 0}, "max_tokens"), ({"max_tokens": 1.5}, "max_tokens"),
     ({"max_tokens": True}, "max_tokens"),
     ({"temperature": -1}, "temperature"), ({"temperature": "hot"}, "temperature"), ({"top_p": 2}, "top_p"),
     ({"seed": 1.5}, "seed"), ({"stop": [""]}, "stop"), ({"stop": 3}, "stop"), ({"stop": ["x"] * 17}, "stop"),
     ({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"functions": [{}]}, "functions"),
     ({"response_format": {"type": "json_object"}}, "response_format"),
     ({"frequency_penalty": 1}, "frequency_penalty")],
)  # fmt: skip
def test_what_cannot_be_done_is_said(body, param):
    """Nothing that changes a reply is passed over in silence."""
    with pytest.raises(BadRequest) as error:
        sampling(body, 100)
    assert error.value.param == param
