"""Training through the whole stack against a plain PyTorch loop."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from ftcore.config.compose import load
from ftcore.data.dataset import EpochSampler, PackedDataset, collate
from ftcore.training.schedule import multiplier

STEPS, ACCUMULATION, MICRO_BATCH = 6, 2, 2


@pytest.fixture(scope="module")
def done(run_of):
    return run_of(
        max_steps=STEPS, optim__gradient_accumulation=ACCUMULATION, data__micro_batch_size=MICRO_BATCH,
        optim__max_grad_norm=0.5, optim__weight_decay=0.1, max_length=96,
    )  # fmt: skip


def plain_loop(done, model_path) -> list[tuple[float, float, float]]:
    """Loss, rate and gradient norm of every step: fp32, AdamW, clipping, PEFT's own LoRA, row by row."""
    e = load(done.run.config)
    torch.manual_seed(e.seed)
    base = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    targets = list(e.lora.targets)
    model = get_peft_model(base, LoraConfig(r=e.lora.rank, lora_alpha=e.lora.alpha, target_modules=targets))
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=e.optim.lr, betas=e.optim.betas, weight_decay=e.optim.weight_decay
    )
    dataset = PackedDataset(done.record["data"]["prepared"])
    order = iter(EpochSampler(len(dataset), 0, 1, e.seed, shuffle=True))
    numbers = []
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = e.optim.lr * multiplier(step, STEPS, e.optim)
        losses = []
        for _ in range(ACCUMULATION):
            loss = micro_batch_loss(model, [dataset[next(order)] for _ in range(MICRO_BATCH)])
            (loss / ACCUMULATION).backward()
            losses.append(loss.item())
        norm = torch.nn.utils.clip_grad_norm_(weights, e.optim.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        numbers.append((sum(losses) / ACCUMULATION, optimizer.param_groups[0]["lr"], norm.item()))
    return numbers


def micro_batch_loss(model, samples) -> torch.Tensor:
    """Cross-entropy over the labelled tokens, each row run alone: no packing, no padding, no mask."""
    scores, targets = [], []
    for sample in samples:
        parts = (sample[name].split(sample["lengths"].tolist()) for name in ("input_ids", "labels"))
        for tokens, labels in zip(*parts, strict=True):
            scores.append(model(input_ids=tokens[None]).logits[0, :-1])
            targets.append(labels[1:])
    return torch.nn.functional.cross_entropy(torch.cat(scores), torch.cat(targets), ignore_index=-100)


def test_equals_a_plain_loop_step_by_step(done, tiny):
    """Loss, rate and gradient norm to 1e-5, with packing, padding, accumulation, decay and clipping."""
    ours = [numbers for _, *numbers in done.sequence("loss", "lr", "grad_norm")]
    for step, (got, wanted) in enumerate(zip(ours, plain_loop(done, tiny.model), strict=True), start=1):
        assert got == pytest.approx(wanted, rel=1e-5), f"step {step}"
    assert max(norm for *_, norm in ours) > 0.5, "nothing was clipped"


def test_rows_of_a_sample_were_packed_and_padded(done):
    """The comparison above means something: samples hold several rows, and differ in length."""
    dataset = PackedDataset(done.record["data"]["prepared"])
    samples = [dataset[index] for index in range(len(dataset))]
    assert max(len(sample["lengths"]) for sample in samples) > 1
    assert len({len(sample["input_ids"]) for sample in samples}) > 1
    assert collate(samples[:2], pad_token_id=0)["data"]["attention_mask"] is None
