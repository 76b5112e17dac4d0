"""The tokenizer of a model folder: its files, and a form of it that other processes can open at once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ftcore.data.errors import DataError

PATTERNS = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json",
    "vocab.json", "vocab.txt", "merges.txt", "*.model", "*.tiktoken", "tokenization_*.py",
)  # fmt: skip
"""Files that decide tokens; `config.json` names the tokenizer's class where its own files do not."""

Encode = Callable[[list[str]], list[list[int]]]
"""Texts to token ids, without special tokens added."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A tokenizer on its way to another process.

    backend: the JSON of a fast tokenizer's Rust half, which opens without importing transformers; None
    for a tokenizer in Python, which is loaded from `folder` again.
    bos_ids, eos_ids: what stands at the start and the end of a text; empty where there is none.
    """

    backend: str | None
    folder: str
    trust_remote_code: bool
    bos_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]

    def open(self) -> Encode:
        """The encoding function of this process."""
        if self.backend is not None:
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_str(self.backend)
            return lambda texts: [
                encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            ]
        tokenizer = load_tokenizer(self.folder, self.trust_remote_code)
        return lambda texts: [tokenizer.encode(text, add_special_tokens=False) for text in texts]


def load_tokenizer(folder: str, trust_remote_code: bool):
    """transformers' tokenizer of a folder or hub id, padding right as in XTuner; DataError if it fails."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, padding_side="right"
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise DataError(f"model.path: no tokenizer can be loaded from {folder}: {error}") from error


def codec(tokenizer, bos: bool, folder: str = "", trust_remote_code: bool = False) -> Codec:
    """The Codec of a loaded tokenizer; DataError where `bos` asks for a token that it lacks."""
    if bos and tokenizer.bos_token_id is None:
        raise DataError("model.bos is true but the tokenizer has no begin-of-sequence token; set it to false")
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # The file may state padding or cutting; transformers turns both off for a call without arguments.
        from tokenizers import Tokenizer

        backend = Tokenizer.from_str(backend.to_str())
        backend.no_padding()
        backend.no_truncation()
    eos = tokenizer.eos_token_id
    return Codec(
        backend.to_str() if backend is not None else None, folder, trust_remote_code,
        (tokenizer.bos_token_id,) if bos else (), () if eos is None else (eos,),
    )  # fmt: skip


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
