"""Replies of a model in memory, token by token, through transformers' `generate`."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    TextIteratorStreamer,
)

from ftcore.config.schema import Model
from ftcore.deploy.bad_request import BadRequest
from ftcore.deploy.pieces import Piece
from ftcore.deploy.sampling import Sampling
from ftcore.deploy.stop_text import before_stop
from ftcore.deploy.tool_prompt import Message
from ftcore.models.load import DTYPES, load_model, load_tokenizer


@dataclass(slots=True)
class Engine:
    """A model and its tokenizer. Replies are made one after the other: `generate` has the device alone."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    stop_token_ids: tuple[int, ...]
    context_length: int

    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while a reply is made; engines that share weights share it."""

    within: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Entered while a reply is made: where an adapter is switched off, say."""

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, gone: threading.Event | None = None
    ) -> Iterator[Piece]:
        """The reply in pieces, the last one with finish_reason and usage; ends early where `gone` is set.

        Raises BadRequest where the conversation does not fit, or the chat template has no place for it.
        """
        prompt = self._prompt(messages)
        length = len(prompt)
        if length >= self.context_length:
            message = (
                f"{length} tokens leave no room for a reply: the model's context is {self.context_length}"
            )
            raise BadRequest("messages", message, "context_length_exceeded")
        longest = min(sampling.max_tokens, self.context_length - length)
        stopped = gone or threading.Event()
        with self.turn:
            streamer = _Counted(self.tokenizer, self.stop_token_ids)
            worker = threading.Thread(
                target=self._generate, args=(prompt, sampling, longest, streamer, stopped), daemon=True
            )
            worker.start()
            text, told, at_stop = "", "", False
            try:
                for piece in streamer:
                    text += piece
                    sure, at_stop = before_stop(text, sampling.stop, final=False)
                    if len(sure) > len(told):
                        yield Piece(sure[len(told) :])
                        told = sure
                    if at_stop:
                        break
            finally:
                stopped.set()
                worker.join()
            if streamer.error is not None:
                raise streamer.error
            sure, at_stop = before_stop(text, sampling.stop, final=True)
            full = not at_stop and streamer.tokens >= longest and streamer.last not in self.stop_token_ids
            yield Piece(sure[len(told) :], "length" if full else "stop", length, streamer.tokens)

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        try:
            text = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # the template's own words: a role it does not know, turns out of order
            raise BadRequest("messages", f"the model's chat template refuses them: {error}") from None
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _generate(
        self, prompt: list[int], sampling: Sampling, longest: int, streamer: "_Counted", stop: threading.Event
    ) -> None:
        try:
            ids = torch.tensor([prompt], device=self.model.device)
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
            with torch.inference_mode(), self.within():
                self.model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    streamer=streamer,
                    max_new_tokens=longest,
                    eos_token_id=list(self.stop_token_ids) or None,
                    pad_token_id=self.tokenizer.pad_token_id,
                    stopping_criteria=[_Gone(stop)],
                    **_drawn(sampling),
                )
        except Exception as error:  # told by whoever reads the stream
            streamer.error = error
            streamer.end()


class _Counted(TextIteratorStreamer):
    """Text as it is decoded, and how many tokens it took."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stops: Sequence[int]) -> None:
        super().__init__(
            tokenizer, skip_prompt=True, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        self.stops = stops
        self.tokens, self.last = 0, -1
        self.error: Exception | None = None
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            self.tokens += value.numel()
            self.last = int(value.reshape(-1)[-1])
            if self.last in self.stops:  # the end of the reply, and no text of it
                return
        self._prompt_seen = True
        super().put(value)


class _Gone(StoppingCriteria):
    """Ends a reply that nobody waits for."""

    def __init__(self, gone: threading.Event) -> None:
        self.gone = gone

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self.gone.is_set(), device=input_ids.device)


def _drawn(sampling: Sampling) -> dict[str, Any]:
    """How tokens are drawn, in `generate`'s words; nothing where the model's own settings hold."""
    if sampling.temperature is None and sampling.top_p is None:
        return {}
    if sampling.temperature == 0:
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    drawn: dict[str, Any] = {"do_sample": True, "top_k": 0}
    drawn |= {"temperature": sampling.temperature} if sampling.temperature is not None else {}
    return drawn | ({"top_p": sampling.top_p} if sampling.top_p is not None else {})


def load(
    path: str | Path,
    model: Model,
    stop_token_ids: tuple[int, ...],
    context_length: int,
    device: str = "auto",
    dtype: str = "auto",
) -> Engine:
    """The model in a folder, on a card where there is one and `device` is auto."""
    weights = load_model(path, model, DTYPES.get(dtype, "auto"), device_of(device))
    return Engine(weights, load_tokenizer(path, model), stop_token_ids, context_length)


def device_of(device: str) -> str:
    """`device` itself; for auto a card where there is one."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
