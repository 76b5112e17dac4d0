"""Hypothesis strategies: overrides that every experiment takes, and what people may type instead."""

from hypothesis import strategies as st

WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="'\\$", exclude_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=12,
)

VALUES = {
    "seed": st.integers(0, 2**32 - 1),
    "deterministic": st.booleans(),
    "epochs": st.floats(0.01, 100),
    "max_steps": st.none() | st.integers(1, 10**6),
    "max_length": st.integers(8, 8192),
    "lr": st.floats(1e-8, 1),
    "rank": st.integers(1, 4096),
    "data.packing": st.booleans(),
    "data.micro_batch_size": st.integers(1, 64),
    "data.max_rows": st.none() | st.integers(1, 10**6),
    "data.on_bad_row": st.sampled_from(["error", "skip"]),
    "lora.alpha": st.floats(0.1, 512) | st.integers(1, 512),
    "lora.dropout": st.floats(0, 1),
    "lora.bias": st.sampled_from(["none", "all", "lora_only"]),
    "lora.targets": st.none() | st.lists(st.sampled_from(["q_proj", "wqkv", "w1"]), min_size=1, unique=True),
    "optim.betas": st.lists(st.floats(0, 0.999), min_size=2, max_size=2),
    "optim.weight_decay": st.floats(0, 10),
    "optim.gradient_accumulation": st.integers(1, 64),
    "optim.schedule": st.sampled_from(["cosine", "linear", "constant"]),
    "optim.warmup_ratio": st.floats(0, 1),
    "precision.loss_scale": st.just("dynamic") | st.floats(1, 2**20),
    "chat_samples.system": WORDS,
    "chat_samples.inputs": st.lists(WORDS, max_size=3),
    "logging.level": st.sampled_from(["DEBUG", "INFO", "WARNING", "ERROR"]),
    "export.max_shard_gb": st.floats(0.1, 50),
}
"""Key -> values that the schema takes, whatever the other keys are."""

GROUPS = {
    "model": ["qwen3_8b", "smollm2_135m_instruct", "internlm2_5_7b_chat"],
    "data": ["agent_flan", "alpaca", "function_calls", "openai_jsonl", "pretrain_text"],
    "lora": ["lora", "full"],
    "parallelism": ["auto", "ddp", "zero3", "zero3_offload"],
    "hardware": ["cpu", "cuda", "dcu"],
    "evaluation": ["none", "function_calls"],
}
"""Group -> choices that go together in any combination."""


def spell(value: object) -> str:
    """`value` in Hydra's override grammar."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(spell, value))}]"
    return f"'{value}'" if isinstance(value, str) else repr(value)


@st.composite
def override_sets(draw) -> dict[str, object]:
    """Some keys and some group choices, each with a value that is right."""
    values = draw(st.fixed_dictionaries({}, optional=VALUES))
    groups = draw(st.fixed_dictionaries({}, optional={g: st.sampled_from(c) for g, c in GROUPS.items()}))
    return {**groups, **values}


def texts(overrides: dict[str, object]) -> list[str]:
    """`overrides` as typed: group choices bare, values spelled."""
    return [f"{k}={v}" if k in GROUPS else f"{k}={spell(v)}" for k, v in overrides.items()]
