"""Whether a model's folder is whole, from names, sizes and headers: a download that broke off is not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftcore.runs.files import read_json

HEADER_BYTES = 100_000_000
"""No safetensors header is longer (the format's own limit)."""

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
"""Where a model of several files names them."""


def wrong_with(folder: Path) -> Iterator[str]:
    """What keeps a model from being loaded from `folder`; reads no weights."""
    try:
        config = read_json(folder / "config.json")
    except (OSError, ValueError) as error:
        yield f"config.json cannot be read: {error}"
    else:
        if config is None:
            yield "no config.json in it"
        elif not isinstance(config, dict):
            yield "config.json is no JSON object"
    files = [file for kind in ("*.safetensors", "*.bin") for file in sorted(folder.glob(kind))]
    if not files:
        yield "no weights in it (*.safetensors or *.bin)"
    if absent := sorted(_indexed(folder) - {file.name for file in files}):
        yield f"{len(absent)} of its files of weights missing: {', '.join(absent[:3])}"
    for file in files:
        try:
            if file.suffix == ".safetensors":
                header(file, whole=True)
            elif file.stat().st_size == 0:
                yield f"{file.name} is empty"
        except (OSError, ValueError) as error:
            yield str(error)


def header(file: Path, *, whole: bool = False) -> dict[str, Any]:
    """A safetensors file's header, tensors by name. ValueError where it is none, or with `whole` where the
    file is not as long as its header says (https://huggingface.co/docs/safetensors: 8 bytes of length, JSON,
    tensors without gaps)."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if not 2 <= length <= HEADER_BYTES:
            raise ValueError(f"{file.name} is no safetensors file")
        try:
            found = json.loads(handle.read(length))
            tensors = {name: tensor for name, tensor in found.items() if name != "__metadata__"}
            end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0) if whole else 0
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            raise ValueError(f"{file.name} is no safetensors file") from None
    size = file.stat().st_size
    if whole and size != 8 + length + end:
        told = f"{size:,} bytes of {8 + length + end:,}"
        raise ValueError(f"{file.name} has {told}: a download that broke off?")
    return tensors


def _indexed(folder: Path) -> set[str]:
    """The files that the first index there is names."""
    for name in INDEXES:
        try:
            index = read_json(folder / name)
        except (OSError, ValueError):
            continue
        if isinstance(index, dict) and isinstance(index.get("weight_map"), dict):
            return set(map(str, index["weight_map"].values()))
    return set()
