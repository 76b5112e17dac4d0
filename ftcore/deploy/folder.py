"""What an ordinary model folder says of itself, read from its JSON files alone."""

import math
from pathlib import Path
from typing import Any

from ftcore.models.complete import header
from ftcore.runs.files import read_json

LENGTHS = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length",
    "model_max_length",
)  # fmt: skip
"""What families call the positions they were made for, in `config.json`; the first there is counts."""


def config(folder: Path) -> dict[str, Any]:
    """`config.json`; empty where there is none. ValueError where it is no JSON object."""
    return _object(folder / "config.json")


def parameters(folder: Path) -> int:
    """Parameters in the folder's safetensors files, from their headers; 0 where there is none.

    Tied weights are stored, and counted, once. ValueError where a file is no safetensors file.
    """
    return sum(_parameters(file) for file in sorted(folder.glob("*.safetensors")))


def context_length(settings: dict[str, Any]) -> tuple[str, int] | None:
    """The key of `config.json` that says how many positions the model was made for, and how many."""
    for name in LENGTHS:
        if isinstance(settings.get(name), int):
            return name, settings[name]
    return None


def chat_template(folder: Path) -> str | None:
    """The Jinja text that makes a prompt of messages, from where transformers looks for it; None without."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        found = _object(folder / name).get("chat_template")
        if isinstance(found, list):  # several, by name
            found = {one["name"]: one["template"] for one in found}.get("default")
        if isinstance(found, str):
            return found
    return None


def token_ids(folder: Path) -> dict[str, int]:
    """Text -> id of the special tokens, and of the vocabulary where `tokenizer.json` has it in the open."""
    found = _object(folder / "tokenizer.json")
    vocabulary = (found.get("model") or {}).get("vocab")
    ids = dict(vocabulary) if isinstance(vocabulary, dict) else {}
    ids |= {token["content"]: token["id"] for token in found.get("added_tokens", ())}
    added = _object(folder / "tokenizer_config.json").get("added_tokens_decoder", {})
    return ids | {token["content"]: int(number) for number, token in added.items()}


def eos_ids(folder: Path) -> list[int]:
    """Ids that end a reply by the folder's own word: `generation_config.json`, or else `config.json`."""
    for name in ("generation_config.json", "config.json"):
        found = _object(folder / name).get("eos_token_id")
        if found is not None:
            return [found] if isinstance(found, int) else list(found)
    return []


def _object(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from None
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return found or {}


def _parameters(file: Path) -> int:
    try:
        return sum(math.prod(tensor["shape"]) for tensor in header(file).values())
    except (KeyError, TypeError):
        raise ValueError(f"{file.name} is no safetensors file") from None
