"""ftcore's training step alone, in a loop with AdamW: what the kernels can do without a runner around them.

    python -m bench.gpu.step [--fp8] [--lengths 4096] [--tiny]

Random weights of Llama-3-8B's shape made on the card, 60 % of each row without a label, gradients clipped and
a step taken every fourth micro batch; eight micro batches are timed after four.
"""

import argparse
import time

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from ftcore.data.dataset import flat
from ftcore.training.fast.step import Parts, Step

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHAPE = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "rope_theta": 500000.0, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}  # fmt: skip
TINY = SHAPE | {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 512,
}  # fmt: skip
ACCUMULATION, WARM, TIMED = 4, 4, 8


def main() -> None:
    """Print tokens/s, peak memory and the last gradient norm."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--fp8", action="store_true")
    asked.add_argument("--lengths", default="4096", help="of the rows of a micro batch: 1000,1500,300,1296")
    asked.add_argument("--tiny", action="store_true")
    given = asked.parse_args()
    lengths = [int(length) for length in given.lengths.split(",")]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    llm = model(TINY if given.tiny else SHAPE, device)
    data = micro_batch(lengths, llm.config.vocab_size, device)
    parts = Parts(
        layers=True, loss=True, attention=True, fp8=given.fp8, recompute=None, max_length=4096,
        tokens=sum(lengths), dtype=torch.bfloat16,
    )  # fmt: skip
    seconds, norm = timed(llm, Step(llm, parts), data)
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
    print(f"{sum(lengths) / seconds:.0f} tokens/s, peak {peak:.1f} GiB, gradient norm {norm:.4f}")


def model(shape: dict[str, object], device: str) -> nn.Module:
    """bf16 weights drawn from one seed, adapters of rank 64 in fp32."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        llm = LlamaForCausalLM(LlamaConfig(**shape, max_position_embeddings=8192))
    torch.set_default_dtype(torch.float32)
    lora = LoraConfig(r=64, lora_alpha=16, target_modules=TARGETS, task_type="CAUSAL_LM")
    return get_peft_model(llm, lora).train()


def micro_batch(lengths: list[int], vocabulary: int, device: str) -> dict[str, object]:
    """Rows of random tokens, the first 60 % of each without a label."""
    samples = []
    for length in lengths:
        ids = torch.randint(vocabulary, (length,))
        labels = ids.clone()
        labels[: max(1, int(0.6 * length))] = -100
        samples.append({
            "input_ids": ids, "labels": labels, "position_ids": torch.arange(length),
            "lengths": torch.tensor([length]),
        })  # fmt: skip
    data = flat(samples)["data"]
    return {name: value.to(device) if torch.is_tensor(value) else value for name, value in data.items()}


def timed(llm: nn.Module, step: Step, data: dict[str, object]) -> tuple[float, float]:
    """(seconds a micro batch, the last gradient norm)."""
    weights = [each for each in llm.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-5, fused=True)
    norm = torch.tensor(0.0)
    for number in range(WARM + TIMED):
        if number == WARM:
            wait()
            begin = time.perf_counter()
        step.loss(data).backward()
        if number % ACCUMULATION == ACCUMULATION - 1:
            norm = nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    wait()
    return (time.perf_counter() - begin) / TIMED, float(norm)


def wait() -> None:
    """Until the card has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
