"""The base model on disk: random weights of a shape, since speed does not depend on their values.

    python -m bench.gpu.model FOLDER

A process of its own, so that nothing of it stays in the card's memory while others are measured.
"""

import sys
from pathlib import Path

from bench.gpu.shape import Shape
from bench.gpu.workload import load

BEGIN, END = "<|begin_of_text|>", "<|end_of_text|>"


def write(folder: Path, shape: Shape) -> None:
    """bf16 weights and a tokenizer into `folder`, which appears once it is whole."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        vocab_size=shape.vocabulary,
        max_position_embeddings=8192,
        rope_theta=500_000.0,
        rms_norm_eps=1e-5,
        bos_token_id=shape.ordinary_tokens,
        eos_token_id=shape.ordinary_tokens + 1,
        tie_word_embeddings=False,
        dtype="bfloat16",
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config)
    part = folder.with_name(folder.name + ".part")
    model.save_pretrained(part, max_shard_size="5GB")
    write_tokenizer(part, shape)
    part.rename(folder)


def write_tokenizer(folder: Path, shape: Shape) -> None:
    """Bytes as tokens, padded to the model's vocabulary: rows come tokenised, so no text is ever cut up."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    filler = [f"<|text_{index}|>" for index in range(len(letters), shape.ordinary_tokens)]
    special = [BEGIN, END, *(f"<|reserved_{index}|>" for index in range(254))]
    vocabulary = {token: index for index, token in enumerate([*letters, *filler, *special])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=special[2],
        model_max_length=8192, padding_side="right",
    )  # fmt: skip
    fast.save_pretrained(folder)


if __name__ == "__main__":
    workload = load(Path(sys.argv[1]))
    write(workload.model, workload.shape)
