"""The tokenizer and the model of an experiment, as XTuner builds them."""

from ftcore.config.schema import Experiment
from ftcore.config.xtuner.values import TORCH_DTYPE, Config, number


def tokenizer(e: Experiment) -> Config:
    """What every part of the configuration that reads text is given."""
    stated = e.model.tokenizer
    config: Config = {
        "type": "transformers.AutoTokenizer.from_pretrained",
        "pretrained_model_name_or_path": e.model.path,
        "trust_remote_code": e.model.trust_remote_code,
        "padding_side": stated.padding_side,
    }
    if stated.eos_token is not None:
        config["eos_token"] = stated.eos_token
    if stated.encode_special_tokens is not None:
        config["encode_special_tokens"] = stated.encode_special_tokens
    return config


def model(e: Experiment) -> Config:
    """SupervisedFinetune with its language model and adapter."""
    llm: Config = {
        "type": "transformers.AutoModelForCausalLM.from_pretrained",
        "pretrained_model_name_or_path": e.model.path,
        "trust_remote_code": e.model.trust_remote_code,
        "torch_dtype": TORCH_DTYPE[weights(e)],
    }
    if e.model.attention != "sdpa":  # sdpa is what transformers takes by itself
        llm["attn_implementation"] = e.model.attention
    if e.lora.quantization:
        llm["quantization_config"] = _quantization(e)
    config: Config = {
        "type": "xtuner.model.SupervisedFinetune",
        "use_varlen_attn": e.data.varlen,
        "use_activation_checkpointing": e.model.activation_checkpointing,
        "llm": llm,
    }
    if e.lora.method != "full":
        config["lora"] = {
            "type": "peft.LoraConfig",
            "r": e.lora.rank,
            "lora_alpha": number(e.lora.alpha),
            "lora_dropout": e.lora.dropout,
            "bias": e.lora.bias,
            "task_type": "CAUSAL_LM",
        }
        if e.lora.targets is not None:
            config["lora"]["target_modules"] = list(e.lora.targets)
    return config


def weights(e: Experiment) -> str:
    """The type that the weights are loaded in: fp32, bf16 or fp16.

    Where every weight is trained without DeepSpeed, which would keep an fp32 copy of its own, 16-bit weights
    lose most updates to rounding and torch refuses to unscale fp16 gradients; autocast then computes in 16
    bit from fp32 weights.
    """
    if e.precision.weights != "auto":
        return e.precision.weights
    trains_all_itself = e.lora.method == "full" and e.parallelism.strategy != "deepspeed"
    return "fp32" if trains_all_itself else e.precision.dtype


def _quantization(e: Experiment) -> Config:
    quantization = e.lora.quantization
    assert quantization is not None
    config: Config = {
        "type": "transformers.BitsAndBytesConfig",
        "load_in_4bit": quantization.bits == 4,
        "load_in_8bit": quantization.bits == 8,
        "llm_int8_threshold": 6.0,
        "llm_int8_has_fp16_weight": False,
        "bnb_4bit_compute_dtype": TORCH_DTYPE[e.precision.dtype],
        "bnb_4bit_use_double_quant": quantization.double_quant,
        "bnb_4bit_quant_type": quantization.quant_type,
    }
    if quantization.storage != "uint8":  # bitsandbytes' own
        config["bnb_4bit_quant_storage"] = TORCH_DTYPE[quantization.storage]
    return config
