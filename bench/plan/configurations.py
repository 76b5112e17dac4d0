"""What is planned and then measured, by name; the halves were fixed before anything was run."""

from dataclasses import dataclass

PLAIN, DEEPSPEED, QLORA = "plain", "deepspeed", "qlora"

ATTENTION = "lora.targets=[q_proj,k_proj,v_proj,o_proj]"
SEVEN = "lora.targets=[q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj]"
RECOMPUTED = "model.activation_checkpointing=true"
KEPT = "model.activation_checkpointing=false"

LLAMA_8B, LLAMA_1B, QWEN_7B = "Meta-Llama-3-8B", "Llama-3.2-1B", "Qwen2.5-7B-Instruct"
"""Shapes (`bench.plan.shapes`): the recipe's, one with tied embeddings, one with biases."""

QWEN_MOE = "Qwen3-30B-A3B-12-layers"
"""Of 128 experts a layer; 16 GB. `kernels.loss=fused` does not know the family."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One training, asked of ftcore in words; rows are full and every token carries a label."""

    name: str
    shape: str
    length: int
    batch: int
    words: tuple[str, ...]

    held_out: bool
    """No constant of the model was looked at with it."""

    devices: int = 1

    @property
    def group(self) -> str:
        """Which packages its process imports."""
        if any(word.startswith("parallelism=zero") for word in self.words):
            return DEEPSPEED
        return QLORA if "lora=qlora" in self.words else PLAIN


def _known(name: str, shape: str, length: int, batch: int, *words: str, devices: int = 1) -> Configuration:
    return Configuration(name, shape, length, batch, words, False, devices)


def _held_out(name: str, shape: str, length: int, batch: int, *words: str, devices: int = 1) -> Configuration:
    return Configuration(name, shape, length, batch, words, True, devices)


FAST, FP8, STOCK = "kernels=fast", "kernels=fast_fp8", "kernels=stock"
FULL = "lora=full"
SHARED = ("parallelism=ddp", "parallelism.sequence_parallel=2")
WHOLE = "kernels.recompute_layers=null"

EVERY = (
    _known("8b_fast", LLAMA_8B, 4096, 1, FAST, SEVEN, "rank=64"),
    _held_out("8b_fast_short", LLAMA_8B, 512, 8, FAST, SEVEN, "rank=8"),
    _known("8b_fast_long", LLAMA_8B, 8192, 1, FAST, SEVEN, "rank=128"),
    _held_out("8b_fast_2048", LLAMA_8B, 2048, 4, FAST, SEVEN, "rank=16"),
    _held_out("8b_fast_long_2", LLAMA_8B, 8192, 2, FAST, SEVEN, "rank=64"),
    _known("8b_fast_auto", LLAMA_8B, 8192, 4, FAST, SEVEN, "rank=64"),
    _held_out("8b_fast_8", LLAMA_8B, 4096, 6, FAST, WHOLE, KEPT, SEVEN, "rank=64"),
    _held_out("8b_fp8_4", LLAMA_8B, 4096, 3, FP8, SEVEN, "rank=64"),
    _known("8b_stock", LLAMA_8B, 4096, 1, STOCK, RECOMPUTED, SEVEN, "rank=64"),
    _held_out("8b_stock_8", LLAMA_8B, 1024, 8, STOCK, RECOMPUTED, "lora.targets=[q_proj,v_proj]", "rank=8"),
    _known("8b_stock_kept", LLAMA_8B, 2048, 1, STOCK, KEPT, SEVEN, "rank=16"),
    _held_out("8b_stock_kept_2", LLAMA_8B, 1024, 4, STOCK, KEPT, SEVEN, "rank=64", "lora.dropout=0.05"),
    _held_out("8b_stock_kept_long", LLAMA_8B, 8192, 1, STOCK, KEPT, SEVEN, "rank=64"),
    _known("8b_loss_alone", LLAMA_8B, 4096, 2, STOCK, "kernels.loss=fused", RECOMPUTED, SEVEN, "rank=64"),
    _held_out("8b_no_layers", LLAMA_8B, 4096, 1, FAST, "kernels.layers=stock", KEPT, SEVEN, "rank=64"),
    _known("8b_qlora", LLAMA_8B, 2048, 1, "lora=qlora", RECOMPUTED, SEVEN, "rank=64"),
    _held_out("8b_qlora_2", LLAMA_8B, 4096, 2, "lora=qlora", RECOMPUTED, SEVEN, "rank=16"),
    _known("8b_zero1", LLAMA_8B, 4096, 1, "parallelism=zero1", FAST, SEVEN, "rank=64"),
    _held_out("8b_zero2", LLAMA_8B, 2048, 1, "parallelism=zero2", STOCK, RECOMPUTED, SEVEN, "rank=128"),
    _known("8b_zero3", LLAMA_8B, 2048, 1, "parallelism=zero3", RECOMPUTED, SEVEN, "rank=64"),
    _held_out("8b_zero3_2", LLAMA_8B, 4096, 2, "parallelism=zero3", RECOMPUTED, SEVEN, "rank=8"),
    _held_out("1b_fast", LLAMA_1B, 4096, 4, FAST, SEVEN, "rank=32"),
    _known("1b_fast_short", LLAMA_1B, 512, 8, FAST, SEVEN, "rank=8"),
    _held_out("1b_stock", LLAMA_1B, 1024, 8, STOCK, KEPT, SEVEN, "rank=128"),
    _known("1b_full", LLAMA_1B, 2048, 2, FULL, STOCK, RECOMPUTED),
    _held_out("1b_full_kept", LLAMA_1B, 2048, 1, FULL, STOCK, "kernels.loss=fused", KEPT),
    _known("1b_full_zero2", LLAMA_1B, 2048, 1, FULL, "parallelism=zero2", STOCK, KEPT),
    _held_out("1b_full_zero3", LLAMA_1B, 1024, 4, FULL, "parallelism=zero3", RECOMPUTED),
    _held_out("7b_fast", QWEN_7B, 4096, 1, FAST, SEVEN, "rank=64"),
    _known("7b_fp8", QWEN_7B, 2048, 2, FP8, SEVEN, "rank=16"),
    _held_out("7b_stock", QWEN_7B, 1024, 4, STOCK, RECOMPUTED, SEVEN, "rank=32"),
    _known("7b_stock_kept", QWEN_7B, 2048, 1, STOCK, KEPT, SEVEN, "rank=64"),
    _held_out("7b_fast_long", QWEN_7B, 8192, 2, FAST, SEVEN, "rank=128"),
    _known("7b_qlora", QWEN_7B, 512, 8, "lora=qlora", RECOMPUTED, SEVEN, "rank=8"),
    _known("moe_recomputed", QWEN_MOE, 2048, 2, STOCK, RECOMPUTED, ATTENTION, "rank=64"),
    _known("moe_kept", QWEN_MOE, 2048, 1, STOCK, KEPT, ATTENTION, "rank=64"),
    _held_out("moe_kept_long", QWEN_MOE, 4096, 1, STOCK, KEPT, ATTENTION, "rank=16"),
    _known("moe_adapted_recomputed", QWEN_MOE, 1024, 1, STOCK, RECOMPUTED, SEVEN, "rank=8"),
    _held_out("moe_adapted", QWEN_MOE, 1024, 1, STOCK, KEPT, SEVEN, "rank=8"),
    _known("8b_ddp_x2", LLAMA_8B, 4096, 1, "parallelism=ddp", FAST, SEVEN, "rank=64", devices=2),
    _known("8b_shared_x2", LLAMA_8B, 8192, 1, *SHARED, FAST, SEVEN, "rank=64", devices=2),
    _held_out("8b_zero1_x2", LLAMA_8B, 4096, 2, "parallelism=zero1", FAST, SEVEN, "rank=64", devices=2),
    _held_out("8b_zero3_x2", LLAMA_8B, 4096, 1, "parallelism=zero3", RECOMPUTED, SEVEN, "rank=64", devices=2),
    _held_out("1b_full_zero2_x2", LLAMA_1B, 2048, 2, FULL, "parallelism=zero2", STOCK, KEPT, devices=2),
    _known("1b_full_zero3_x2", LLAMA_1B, 2048, 2, FULL, "parallelism=zero3", KEPT, devices=2),
)  # fmt: skip
