"""Shapes of well-known models, for a plan made where their folders are not: the `config.json` of each, as far
as sizes go, by the last part of its hub id. Source: the models' pages on huggingface.co."""

from typing import Any

Config = dict[str, Any]


def _config(
    family: str, hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, vocabulary: int,
    **further: Any,
) -> Config:  # fmt: skip
    return {
        "model_type": family,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        **further,
    }


def _qwen3(hidden: int, intermediate: int, layers: int, heads: int, *, tied: bool = False) -> Config:
    return _config(
        "qwen3", hidden, intermediate, layers, heads, 8, 151_936, head_dim=128, tie_word_embeddings=tied
    )


_LLAMA2_7B = _config("llama", 4096, 11008, 32, 32, 32, 32_000)
_LLAMA3_8B = _config("llama", 4096, 14336, 32, 32, 8, 128_256)
_LLAMA3_70B = _config("llama", 8192, 28672, 80, 64, 8, 128_256)
_LLAMA32_1B = _config("llama", 2048, 8192, 16, 32, 8, 128_256, tie_word_embeddings=True)
_MISTRAL_7B = _config("mistral", 4096, 14336, 32, 32, 8, 32_000)
_MIXTRAL = _config("mixtral", 4096, 14336, 32, 32, 8, 32_000, num_local_experts=8, num_experts_per_tok=2)
_QWEN3_30B_A3B = _config(
    "qwen3_moe", 2048, 6144, 48, 32, 4, 151_936, head_dim=128, moe_intermediate_size=768, num_experts=128,
    num_experts_per_tok=8, norm_topk_prob=True,
)  # fmt: skip
_QWEN15_MOE = _config(
    "qwen2_moe", 2048, 5632, 24, 16, 16, 151_936, moe_intermediate_size=1408,
    shared_expert_intermediate_size=5632, num_experts=60, num_experts_per_tok=4,
)  # fmt: skip
_SMOLLM2_135M = _config("llama", 576, 1536, 30, 9, 3, 49_152, tie_word_embeddings=True)

KNOWN: dict[str, Config] = {
    "Llama-2-7b-hf": _LLAMA2_7B,
    "Llama-2-7b-chat-hf": _LLAMA2_7B,
    "Llama-2-70b-hf": _config("llama", 8192, 28672, 80, 64, 8, 32_000),
    "Meta-Llama-3-8B": _LLAMA3_8B,
    "Meta-Llama-3-8B-Instruct": _LLAMA3_8B,
    "Meta-Llama-3.1-8B-Instruct": _LLAMA3_8B,
    "Llama-3.1-8B-Instruct": _LLAMA3_8B,
    "Meta-Llama-3-70B-Instruct": _LLAMA3_70B,
    "Llama-3.2-1B": _LLAMA32_1B,
    "Llama-3.2-1B-Instruct": _LLAMA32_1B,
    "Mistral-7B-v0.1": _MISTRAL_7B | {"sliding_window": 4096},
    "Mixtral-8x7B-v0.1": _MIXTRAL,
    "Mixtral-8x7B-Instruct-v0.1": _MIXTRAL,
    "Llama-3.2-3B-Instruct": _config("llama", 3072, 8192, 28, 24, 8, 128_256, tie_word_embeddings=True),
    "Llama-3.3-70B-Instruct": _LLAMA3_70B,
    "Qwen2.5-0.5B-Instruct": _config("qwen2", 896, 4864, 24, 14, 2, 151_936, tie_word_embeddings=True),
    "Qwen2.5-1.5B-Instruct": _config("qwen2", 1536, 8960, 28, 12, 2, 151_936, tie_word_embeddings=True),
    "Qwen2.5-3B-Instruct": _config("qwen2", 2048, 11008, 36, 16, 2, 151_936, tie_word_embeddings=True),
    "Qwen2.5-7B-Instruct": _config("qwen2", 3584, 18944, 28, 28, 4, 152_064),
    "Qwen2.5-14B-Instruct": _config("qwen2", 5120, 13824, 48, 40, 8, 152_064),
    "Qwen2.5-32B-Instruct": _config("qwen2", 5120, 27648, 64, 40, 8, 152_064),
    "Qwen2.5-72B-Instruct": _config("qwen2", 8192, 29568, 80, 64, 8, 152_064),
    "Qwen3-0.6B": _qwen3(1024, 3072, 28, 16, tied=True),
    "Qwen3-1.7B": _qwen3(2048, 6144, 28, 16, tied=True),
    "Qwen3-4B": _qwen3(2560, 9728, 36, 32, tied=True),
    "Qwen3-14B": _qwen3(5120, 17408, 40, 40),
    "Qwen3-32B": _qwen3(5120, 25600, 64, 64),
    "Qwen1.5-MoE-A2.7B": _QWEN15_MOE,
    "Qwen1.5-MoE-A2.7B-Chat": _QWEN15_MOE,
    "Qwen3-8B": _qwen3(4096, 12288, 36, 32),
    "Qwen3-30B-A3B": _QWEN3_30B_A3B,
    "SmolLM2-135M-Instruct": _SMOLLM2_135M,
}
