"""What a client asks of a reply: its length, how it is drawn, and where it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftcore.deploy.bad_request import BadRequest

STOPS = 16
"""Stop texts that a request may give."""

ABSENT: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "audio": (),
}
"""Fields that this server has no answer to -> the values that ask nothing of it."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is made; None is what the model's own generation_config says."""

    max_tokens: int
    temperature: float | None = None
    """0 takes the likeliest token each time."""

    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    """Texts that end a reply, and are no part of it."""


def sampling(body: Mapping[str, Any], max_tokens: int) -> Sampling:
    """What a request says, with `max_tokens` where it does not. Raises BadRequest where it cannot be done."""
    for name, nothing in ABSENT.items():
        if body.get(name) is not None and body[name] not in nothing:
            raise BadRequest(name, "this server cannot do that", "unsupported_parameter")
    longest = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    return Sampling(
        max_tokens=_number(body, longest, int, 1, 2**31) or max_tokens,
        temperature=_number(body, "temperature", float, 0, 2),
        top_p=_number(body, "top_p", float, 0, 1),
        seed=_number(body, "seed", int, -(2**63), 2**63 - 1),
        stop=_stop(body.get("stop")),
    )


def _number(body: Mapping[str, Any], name: str, kind: type, low: float, high: float) -> Any:
    value = body.get(name)
    if value is None:
        return None
    right = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not right or kind(value) != value:
        whole = "a whole number" if kind is int else "a number"
        raise BadRequest(name, f"must be {whole} from {low:g} to {high:g}")
    return kind(value)


def _stop(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list) or not all(isinstance(one, str) and one for one in texts):
        raise BadRequest("stop", "must be a text or a list of texts")
    if len(texts) > STOPS:
        raise BadRequest("stop", f"has {len(texts)} texts; {STOPS} are allowed")
    return tuple(texts)
