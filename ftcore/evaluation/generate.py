"""Greedy replies, in batches."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria

Messages = list[dict[str, str]]


@torch.inference_mode()
def replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Messages],
    stop_tokens: Sequence[str],
    max_new_tokens: int,
    batch_size: int,
    report: Callable[[float], None],
) -> list[str]:
    """The model's reply to each conversation, without its stop token.

    Prompts are put in the chat template that the model's folder holds, which is what a server would use.
    Batches take prompts of like length, so that little is padded. `report` is called after each token with
    the conversations done, the batch under way counted by its share of `max_new_tokens`; it may raise.
    """
    texts = [
        tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        for messages in conversations
    ]
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    stops = [tokenizer.convert_tokens_to_ids(token) for token in stop_tokens]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers = [""] * len(prompts)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = tokenizer.pad({"input_ids": [prompts[index] for index in chosen]}, return_tensors="pt")
        output = model.generate(
            **batch.to(model.device), do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=stops,
            pad_token_id=tokenizer.pad_token_id, temperature=None, top_p=None, top_k=None,
            stopping_criteria=[_Watch(report, start, len(chosen), max_new_tokens)],
        )  # fmt: skip
        for index, tokens in zip(chosen, output[:, batch["input_ids"].shape[1] :].tolist(), strict=True):
            end = next((i for i, token in enumerate(tokens) if token in stops), len(tokens))
            answers[index] = tokenizer.decode(tokens[:end], skip_special_tokens=True)
        report(start + len(chosen))
    return answers


class _Watch(StoppingCriteria):
    """Tells of each new token of a batch; never stops it."""

    def __init__(self, report: Callable[[float], None], before: int, size: int, most: int) -> None:
        self.report, self.before, self.size, self.most = report, before, size, most
        self.steps = 0

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        self.steps += 1
        self.report(self.before + self.size * self.steps / self.most)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
