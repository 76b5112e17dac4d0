"""Datasets of a hub (Hugging Face, ModelScope, openMind), as records like those of files."""

import hashlib
import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.config.schema import Source
from ftcore.data.errors import DataError
from ftcore.data.fingerprints import fingerprints
from ftcore.data.sources.rows import Record

PACKAGES = {"huggingface": "datasets", "modelscope": "modelscope", "openmind": "openmind"}
NAMES = {"huggingface": "Hugging Face", "modelscope": "ModelScope", "openmind": "openMind"}


@dataclass(frozen=True, slots=True)
class HubRows:
    """A loaded `datasets.Dataset` of the hub dataset `path`.

    sha256 is of its content. Settings that choose a part of it belong to its identity too, because a slice
    (`train[:1%]`) lies in the same file as the whole.
    """

    hub: str
    path: str
    part: tuple[str | None, str]
    dataset: Any
    sha256: str
    held_out = 0

    def content(self) -> list[Any]:
        """What decides the rows and their order."""
        return [self.sha256, *self.part, len(self.dataset)]

    def manifest(self) -> list[dict[str, Any]]:
        """The dataset as a manifest names it, in the place of a file."""
        return [{"path": self.path, "sha256": self.sha256, "bytes": self.total(), "hub": self.hub}]

    def sizes(self) -> list[int]:
        """Bytes of each record: an equal share of the whole; rows of a table have no size of their own."""
        rows, size = len(self.dataset), self.total()
        return [(number + 1) * size // rows - number * size // rows for number in range(rows)]

    def total(self) -> int:
        """Bytes of the rows in memory."""
        return self.dataset.data.nbytes

    def records(self) -> Iterator[Record]:
        """A record a row, whose line is the row's number from 1 on."""
        for number, (row, size) in enumerate(zip(self.dataset, self.sizes(), strict=True), start=1):
            yield Record(self.path, number, row, size)


def open_hub(source: Source, key: str, cache_dir: Path, fetch: bool) -> HubRows:
    """The dataset that `source` names, from the hub, its local cache or a folder of that name.

    Without `fetch` nothing is asked of the network. DataError, with `key` before the field's name, where the
    package or the dataset cannot be had.
    """
    if not fetch and source.hub != "huggingface":
        raise DataError(f"{key}.path: {NAMES[source.hub]} is not asked before the data is prepared")
    try:
        package = importlib.import_module(PACKAGES[source.hub])
    except ImportError as error:
        name = PACKAGES[source.hub]
        raise DataError(f"{key}.hub: {source.hub} needs the package {name}: pip install {name}") from error
    try:
        dataset = LOADERS[source.hub](package, source, fetch)
    except Exception as error:  # The loaders raise the types of all libraries below them.
        raise DataError(_reason(source, key, error)) from error
    part = (source.subset, source.split or "train")
    return HubRows(source.hub, source.path, part, dataset, _sha256(dataset, cache_dir))


def _huggingface(datasets: Any, source: Source, fetch: bool) -> Any:
    with _offline(datasets, not fetch):
        return datasets.load_dataset(source.path, split=source.split or "train", **_options(source, "name"))


def _modelscope(_: Any, source: Source, fetch: bool) -> Any:
    load = importlib.import_module("modelscope.msdatasets").MsDataset.load
    return load(
        dataset_name=source.path, split=source.split or "train", **_options(source, "subset_name")
    ).to_hf_dataset()


def _openmind(openmind: Any, source: Source, fetch: bool) -> Any:
    load = openmind.OmDataset.load_dataset
    return load(path=source.path, split=source.split or "train", **_options(source, "name"))


LOADERS = {"huggingface": _huggingface, "modelscope": _modelscope, "openmind": _openmind}


def _options(source: Source, subset: str) -> dict[str, Any]:
    files = None if source.files is None else list(source.files)
    options = {subset: source.subset, "data_dir": source.folder, "data_files": files}
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def _offline(datasets: Any, on: bool) -> Iterator[None]:
    # No argument of load_dataset forbids the network; where it is down, each look costs half a minute.
    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = before or on
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _reason(source: Source, key: str, error: Exception) -> str:
    text = f"{key}.path: the {NAMES[source.hub]} dataset {source.path!r} cannot be loaded: {error}"
    if not isinstance(error, OSError):
        return text
    copy = "put a copy of it in a folder and give that as path"
    if source.hub == "huggingface":
        copy = f"set HF_ENDPOINT to a mirror that this machine reaches, or {copy}"
    return f"{text}; {copy}"


def _sha256(dataset: Any, cache_dir: Path) -> str:
    files = [Path(file["filename"]) for file in dataset.cache_files]
    digest = hashlib.sha256()
    if files:
        for file in fingerprints(files, cache_dir):
            digest.update(file.sha256.encode())
        return digest.hexdigest()
    for row in dataset:
        text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
