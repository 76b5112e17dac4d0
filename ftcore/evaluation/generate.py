"""Greedy replies, in batches."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria

from ftcore.config.errors import WorkError

Messages = list[dict[str, str]]


def stop_ids(
    tokenizer: PreTrainedTokenizerBase, stated: Sequence[str] | None, template_words: Sequence[str]
) -> list[int]:
    """Ids of the tokens that end a reply: those `stated`, or else the template's and the end of sequence.

    A template's words are written for one family of models, so the tokenizer may lack some of them; a stated
    one that it lacks is a mistake, and WorkError says so.
    """
    if stated is not None:
        found = {token: _token_id(tokenizer, token) for token in stated}
        if missing := [token for token, number in found.items() if number is None]:
            raise WorkError(f"model.stop_tokens: the tokenizer has no token {', '.join(map(repr, missing))}")
        return list(found.values())
    ids = [_token_id(tokenizer, word) for word in template_words] + [tokenizer.eos_token_id]
    return list(dict.fromkeys(number for number in ids if number is not None))


def _token_id(tokenizer: PreTrainedTokenizerBase, token: str) -> int | None:
    number = tokenizer.convert_tokens_to_ids(token)
    return None if number == tokenizer.unk_token_id and token != tokenizer.unk_token else number


@torch.inference_mode()
def replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Messages],
    stops: Sequence[int],
    max_new_tokens: int,
    batch_size: int,
    report: Callable[[float], None],
    known: Mapping[int, Any],
    keep: Callable[[int, str], None],
) -> None:
    """Hand the model's reply to each conversation, up to the first of the token ids `stops`, to `keep`.

    Prompts are put in the chat template that the model's folder holds, which is what a server would use.
    Batches take prompts of like length, so that little is padded; one whose conversations are all in `known`
    (by index) is left out, so that what was stopped goes on with the batches that it would have had.
    `report` is called after each token with the conversations done, the batch under way counted by its share
    of `max_new_tokens`; it may raise.
    """
    texts = [
        tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        for messages in conversations
    ]
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        if all(index in known for index in chosen):
            continue
        batch = tokenizer.pad({"input_ids": [prompts[index] for index in chosen]}, return_tensors="pt")
        output = model.generate(
            **batch.to(model.device), do_sample=False, max_new_tokens=max_new_tokens,
            eos_token_id=list(stops) or None, pad_token_id=tokenizer.pad_token_id,
            temperature=None, top_p=None, top_k=None,
            stopping_criteria=[_Watch(report, start, len(chosen), max_new_tokens)],
        )  # fmt: skip
        for index, tokens in zip(chosen, output[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            end = next((i for i, token in enumerate(tokens) if token in stops), len(tokens))
            keep(index, tokenizer.decode(tokens[:end], skip_special_tokens=True))
        report(start + len(chosen))


class _Watch(StoppingCriteria):
    """Tells of each new token of a batch; never stops it."""

    def __init__(self, report: Callable[[float], None], before: int, size: int, most: int) -> None:
        self.report, self.before, self.size, self.most = report, before, size, most
        self.steps = 0

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.steps += 1
        self.report(self.before + self.size * self.steps / self.most)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
