"""A run's base or tuned model asked in this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ftcore.config.errors import WorkError
from ftcore.config.schema import Experiment
from ftcore.data import wording
from ftcore.data.templates import prompt_template
from ftcore.evaluation import perplexity
from ftcore.evaluation.answers import Answer, Answers
from ftcore.evaluation.foreseen import Block
from ftcore.evaluation.generate import replies, stop_ids
from ftcore.evaluation.heldout_text import HeldOut
from ftcore.evaluation.languages import as_offered
from ftcore.models.load import DTYPES, load_model, load_tokenizer
from ftcore.runs.directory import RunDirectory


class InProcess:
    """`who` is "base" or "tuned". Weights are loaded when they are first needed; `close` lets them go."""

    def __init__(self, e: Experiment, run: RunDirectory, who: str) -> None:
        self.e, self.run, self.who = e, run, who

    @property
    def source(self) -> dict[str, Any]:
        """Where its answers come from, for the evaluation's file."""
        return {"weights": str(self._path)}

    def answer(self, answers: Answers, done: Callable[[float], None]) -> None:
        """Answer what is not known yet; `done` is called with how many are, and may raise."""
        if len(answers.known) == len(answers.cases):
            return
        settings, model = self.e.evaluation, self.e.model
        words = prompt_template(model.template).get("STOP_WORDS", ())
        replies(
            self._model, self._tokenizer,
            [wording.prompt_messages(as_offered(case)) for case in answers.cases],
            stop_ids(self._tokenizer, model.stop_tokens, words),
            settings.max_new_tokens, settings.batch_size, done, answers.known,
            lambda index, text: answers.keep(index, Answer(text)),
        )  # fmt: skip

    def foresee(self, text: HeldOut, done: Callable[[int, int], None]) -> list[Block]:
        """How well it foresees the text, window by window."""
        settings = self.e.evaluation.perplexity
        documents = perplexity.tokenised(self._tokenizer, text.documents, settings.max_tokens)
        return perplexity.losses(self._model, documents, settings, done)

    def close(self) -> None:
        self.__dict__.pop("_model", None)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def _path(self) -> Path:
        if self.who == "base":
            return Path(self.e.model.path)
        return self.run.merged if self.run.merged.is_dir() else self.run.adapter

    @cached_property
    def _tokenizer(self) -> Any:
        with _readable(self._path):
            return load_tokenizer(self._path, self.e.model)

    @cached_property
    def _model(self) -> Any:
        model = self.e.model
        device = "cpu" if self.e.hardware.accelerator == "cpu" or not torch.cuda.is_available() else "cuda"
        # A processor has no fp16 to speak of.
        half = self.e.precision.dtype == "fp16" and device == "cpu"
        dtype = torch.float32 if half else DTYPES[self.e.precision.dtype]
        with _readable(self._path):
            if self._path != self.run.adapter:
                return load_model(self._path, model, dtype, device)
            from peft import PeftModel

            base = load_model(model.path, model, dtype, device)
            return PeftModel.from_pretrained(base, self.run.adapter).eval()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What transformers says of a folder that is no model, or of torn weights, as a WorkError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WorkError(f"{path}: {str(error).strip().splitlines()[0]}") from error
