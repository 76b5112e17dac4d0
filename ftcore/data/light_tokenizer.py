"""How many tokens a text has, without transformers: by the model's own tokenizer.json, or by a rule."""

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.config.schema import Model
from ftcore.data.tokenizer import QWEN, Encode

CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")

ASSUMED = ((0.17, 0.5), (0.25, 0.75), (0.35, 1.6))
"""Tokens a character, (CJK characters the second): few, likely, many. Assumed for vocabularies of 32,000 to
152,000; of Chinese text those differ by a factor of three."""


@dataclass(frozen=True, slots=True)
class Counter:
    """encode: texts to lists as long as their tokens. bos, eos: tokens that stand round a conversation.
    exact: the model's own tokenizer."""

    encode: Encode
    bos: tuple[int, ...]
    eos: tuple[int, ...]
    exact: bool


def tokenizer_folder(path: str) -> Path | None:
    """The model's folder, or its snapshot in the hub's cache; None where nothing of it is here."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        return None
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE", f"{home}/hub")).expanduser()
    snapshots = hub / f"models--{path.replace('/', '--')}" / "snapshots"
    found = sorted(snapshots.iterdir()) if snapshots.is_dir() else []
    return found[-1] if found else None


def counters(model: Model) -> tuple[Counter, ...]:
    """One that is exact; or three that are not: the fewest tokens that are likely, the likely number, the
    most."""
    folder = tokenizer_folder(model.path)
    file = folder / "tokenizer.json" if folder else None
    if file is not None and file.is_file() and not model.tokenizer.encode_special_tokens:
        # A file of another version: the Rust half raises no narrower class, and what cannot be counted is
        # estimated.
        with suppress(Exception):
            return (_exact(file, model),)
    one = () if model.bos is False else (0,)
    return tuple(Counter(_estimated(*rates), one, (0,), False) for rates in ASSUMED)


def _exact(file: Path, model: Model) -> Counter:
    from tokenizers import Tokenizer

    fast = Tokenizer.from_file(str(file))
    fast.no_padding()
    fast.no_truncation()
    config = _config(file.with_name("tokenizer_config.json"))
    bos, eos = (_id(fast, config.get(name)) for name in ("bos_token", "eos_token"))
    if model.bos is False or (model.bos is None and config.get("tokenizer_class") in QWEN):
        bos = ()

    def encode(texts: list[str], special: bool = False) -> list[list[int]]:
        return [one.ids for one in fast.encode_batch_fast(texts, add_special_tokens=special)]

    return Counter(encode, bos, eos, True)


def _config(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _id(fast: Any, token: Any) -> tuple[int, ...]:
    text = token.get("content") if isinstance(token, dict) else token
    found = fast.token_to_id(text) if isinstance(text, str) else None
    return () if found is None else (found,)


def _estimated(a_character: float, a_cjk: float) -> Encode:
    def count(text: str) -> int:
        wide = len(CJK.findall(text))
        return max(1, round(a_character * (len(text) - wide) + a_cjk * wide)) if text else 0

    def encode(texts: list[str], special: bool = False) -> list[list[int]]:
        return [[0] * (count(text) + special) for text in texts]

    return encode
