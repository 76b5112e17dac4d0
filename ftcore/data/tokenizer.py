"""The tokenizer of a model folder: its files, and a form of it that other processes can open at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ftcore.data.errors import DataError

PATTERNS = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json",
    "vocab.json", "vocab.txt", "merges.txt", "*.model", "*.tiktoken", "tokenization_*.py",
)  # fmt: skip
"""Files that decide tokens; `config.json` names the tokenizer's class where its own files do not."""

QWEN = ("QWenTokenizer", "QWen2Tokenizer", "Qwen2TokenizerFast", "Qwen2Tokenizer")
"""Classes without a bos token at the start; transformers 5 calls the third one by the last name."""

CHATGLM_BOS = (64790, 64792)
"""[gMASK] and sop, which every text of ChatGLM2 and 3 begins with."""


class Encode(Protocol):
    """Texts to token ids; `special`: with the special tokens that the tokenizer itself puts round a text."""

    def __call__(self, texts: list[str], special: bool = False) -> list[list[int]]: ...


@dataclass(frozen=True, slots=True)
class TokenizerSource:
    """A folder or hub id, and the options stated in the configuration."""

    folder: str
    trust_remote_code: bool
    stated: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """A tokenizer on its way to another process.

    backend: the JSON of a fast tokenizer's Rust half, which opens without importing transformers; None
    for a tokenizer in Python, which is loaded from `source` again.
    bos_ids, eos_ids: what stands at the start and the end of a text; empty where there is none.
    vocabulary: how many tokens there are.
    """

    backend: str | None
    source: TokenizerSource | None
    bos_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]
    vocabulary: int

    def open(self) -> Encode:
        """The encoding function of this process."""
        if self.backend is not None:
            from tokenizers import Tokenizer

            fast = Tokenizer.from_str(self.backend)

            def encode(texts: list[str], special: bool = False) -> list[list[int]]:
                return [
                    encoding.ids for encoding in fast.encode_batch_fast(texts, add_special_tokens=special)
                ]

            return encode
        tokenizer = load_tokenizer(self.source)
        return lambda texts, special=False: [
            tokenizer.encode(text, add_special_tokens=special) for text in texts
        ]


def load_tokenizer(source: TokenizerSource):
    """transformers' tokenizer of a folder or hub id; DataError if it fails, or lacks the stated eos token."""
    from transformers import AutoTokenizer

    def load(**stated: Any):
        return AutoTokenizer.from_pretrained(
            source.folder, trust_remote_code=source.trust_remote_code, **stated
        )

    try:
        if eos := source.stated.get("eos_token"):
            _require_token(load(), eos)
        return load(**source.stated)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise DataError(f"model.path: no tokenizer can be loaded from {source.folder}: {error}") from error


def codec(tokenizer, bos: bool | None, source: TokenizerSource | None = None) -> Codec:
    """The Codec of a loaded tokenizer; DataError where `bos` asks for a token that it lacks."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # The file may state padding or cutting; transformers turns both off for a call without arguments.
        from tokenizers import Tokenizer

        backend = Tokenizer.from_str(backend.to_str())
        backend.no_padding()
        backend.no_truncation()
    eos = tokenizer.eos_token_id
    return Codec(
        backend.to_str() if backend is not None else None, source, bos_ids(tokenizer, bos),
        () if eos is None else (eos,), len(tokenizer),
    )  # fmt: skip


def bos_ids(tokenizer, bos: bool | None) -> tuple[int, ...]:
    """What a conversation starts with; None is what XTuner finds out (`get_bos_eos_token_ids`).

    Where XTuner would stop at a tokenizer without a bos token, None is nothing at all.
    """
    name, own = type(tokenizer).__name__, tokenizer.bos_token_id
    if bos is False or (bos is None and name in QWEN):
        return ()
    if name == "ChatGLMTokenizer":
        return CHATGLM_BOS
    if bos and own is None:
        raise DataError("model.bos is true but the tokenizer has no begin-of-sequence token; set it to false")
    return () if own is None else (own,)


def _require_token(tokenizer, token: str) -> None:
    # transformers would add an unknown one, with an id that the model has no weights for.
    found = tokenizer.convert_tokens_to_ids(token)
    if found is None or (found == tokenizer.unk_token_id and token != tokenizer.unk_token):
        raise DataError(f"model.tokenizer.eos_token: the tokenizer has no token {token!r}")


def tokenizer_files(folder: str) -> list[Path]:
    """The files of a local model folder that decide tokens, sorted by name.

    A hub id is looked up in the local hub cache, and fetched (tokenizer files only) where it is not there.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        root = _hub_snapshot(folder)
    files = sorted({path for pattern in PATTERNS for path in root.glob(pattern) if path.is_file()})
    if not any(path.name != "config.json" for path in files):
        raise DataError(f"model.path: no tokenizer files in {root}")
    return files


def _hub_snapshot(name: str) -> Path:
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise DataError(f"model.path: {name} is neither a folder nor a hub id")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(PATTERNS), local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=list(PATTERNS)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise DataError(f"model.path: {name} is no folder, and cannot be fetched: {error}") from error
