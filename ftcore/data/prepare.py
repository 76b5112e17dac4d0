"""The prepare stage: training data tokenised, packed and cached, once for every run that shares it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ftcore.config.schema import Experiment
from ftcore.config.xtuner.build import CONVERTED
from ftcore.data import packing
from ftcore.data.cache import Manifest, build_entry, canonical_key, read_manifest
from ftcore.data.errors import DataError
from ftcore.data.fingerprints import fingerprints
from ftcore.data.layout import LABELS, ROW_ORDER, ROWS, SAMPLES, TOKENS
from ftcore.data.messages import write_messages
from ftcore.data.npy import NpyWriter, write_npy
from ftcore.data.source import Source, open_source
from ftcore.data.sources import FORMATS, BadRows, read_records
from ftcore.data.templates import prompt_template
from ftcore.data.tokenise import Task, tokenise
from ftcore.data.tokenizer import codec, load_tokenizer, tokenizer_files

DATA_VERSION = 1
"""Raised whenever the same rows would come out as other tokens, samples or files."""

Report = Callable[[int, int | None, str], None]
"""Called with (done, total or None if unknown, unit)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A whole entry of the cache.

    path: the folder that `PackedDataset` opens. manifest: its `manifest.json`. messages_path: the same
    conversations for stock XTuner, None where it reads the source by itself.
    """

    path: Path
    key: str
    manifest: Manifest
    messages_path: Path | None


@dataclass(frozen=True, slots=True)
class _Request:
    """An experiment's data with everything looked up that decides its tokens."""

    source: Source
    template: dict[str, Any]
    tokenizer_sha256: str
    deciding: dict[str, Any]

    @property
    def key(self) -> str:
        return canonical_key(self.deciding)

    @property
    def messages_key(self) -> str | None:
        if self.source.format not in CONVERTED:
            return None
        return canonical_key({"version": DATA_VERSION, "rows": self.source.deciding()})


def cache_key(experiment: Experiment) -> str:
    """The key under which `prepare` puts, or finds, this experiment's data.

    Reads no rows where the files are as they were when last hashed (BFCL, which is small, is read).

    DataError where sources or tokenizer files are missing.
    """
    return _request(experiment).key


def find_prepared(cache_dir: str | Path, key: str) -> Prepared | None:
    """The whole entry of that key, or None (missing, torn, or without the messages that belong to it)."""
    path = _entry(cache_dir, "data", key)
    manifest = read_manifest(path)
    if manifest is None:
        return None
    messages = None
    if manifest["messages_key"]:
        messages = _entry(cache_dir, "messages", manifest["messages_key"])
        if read_manifest(messages) is None:
            return None
    return Prepared(path, key, manifest, messages)


def prepare(experiment: Experiment, report: Report | None = None) -> Prepared:
    """The experiment's data, ready to train on: found in the cache, or built there.

    Several processes may prepare the same data at once. DataError for anything wrong with the data.
    """
    request = _request(experiment)
    prepared = find_prepared(experiment.cache_dir, request.key)
    if prepared is None:
        entry = _entry(experiment.cache_dir, "data", request.key)
        if read_manifest(entry) is None:
            build_entry(entry, partial(_write_tokens, experiment, request, report))
        if request.messages_key:
            messages = _entry(experiment.cache_dir, "messages", request.messages_key)
            if read_manifest(messages) is None:
                build_entry(messages, partial(_write_messages, experiment, request))
        prepared = find_prepared(experiment.cache_dir, request.key)
        if prepared is None:
            raise DataError(f"{entry}: removed while it was built")
    _refuse_skipped(experiment, prepared)
    return prepared


def _entry(cache_dir: str | Path, kind: str, key: str) -> Path:
    return Path(cache_dir).expanduser() / kind / key


def _refuse_skipped(experiment: Experiment, prepared: Prepared) -> None:
    # The entry may come from a run that skipped bad rows; this run asked to be stopped by them.
    skipped = prepared.manifest["rows"]["skipped"]
    if skipped and experiment.data.on_bad_row == "error":
        raise DataError(f"{prepared.manifest['skipped_reasons'][0]} ({skipped} bad rows in all)")


def _request(experiment: Experiment) -> _Request:
    data, model = experiment.data, experiment.model
    cache_dir = Path(experiment.cache_dir).expanduser()
    source = open_source(data, experiment.evaluation, experiment.seed, cache_dir)
    files = fingerprints(tokenizer_files(model.path), cache_dir)
    tokenizer = canonical_key({Path(file.path).name: file.sha256 for file in files})
    text = data.format == "text"
    template = {} if text else prompt_template(model.template)
    drawn = data.packing and data.shuffle
    deciding = {
        "version": DATA_VERSION, "rows": source.deciding(), "template": template, "bos": model.bos,
        "tokenizer": tokenizer,
        "tokenizer_code": {name: _version(name) for name in ("tokenizers", "transformers")},
        "max_length": experiment.max_length, "long_rows": data.long_rows, "packing": data.packing,
        "shuffle": drawn,
        "seed": experiment.seed if drawn else None,
    }  # fmt: skip
    return _Request(source, template, tokenizer, deciding)


def _version(package: str) -> str | None:
    # The same tokenizer file can come out as other tokens under another release.
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _write_tokens(experiment: Experiment, request: _Request, report: Report | None, folder: Path) -> Manifest:
    started = time.perf_counter()
    data, model, source = experiment.data, experiment.model, request.source
    tokenizer = load_tokenizer(model.path, model.trust_remote_code)
    task = Task(
        data.format, data.on_bad_row, codec(tokenizer, model.bos, model.path, model.trust_remote_code),
        request.template, experiment.max_length, data.long_rows,
    )  # fmt: skip
    rows = dict.fromkeys(("read", "kept", "skipped", "truncated", "dropped", "too_long"), 0)
    bad = BadRows()
    cut = labelled = done = 0
    records, total = source.drawn()
    lengths: list[np.ndarray] = []
    tokens, labels = NpyWriter(folder / TOKENS, "i4"), NpyWriter(folder / LABELS, "?")
    try:
        for batch in tokenise(records, task, data.prepare_workers):
            tokens.append(batch.tokens)
            labels.append(batch.trained)
            lengths.append(batch.lengths)
            for name in ("read", "kept", "truncated", "dropped", "too_long"):
                rows[name] += getattr(batch, name)
            bad.extend(batch.bad)
            cut, labelled, done = cut + batch.tokens_cut, labelled + batch.labelled, done + batch.size
            if report:
                report(done, total, "bytes")
        tokens.close()
        labels.close()
    finally:
        tokens.abort()
        labels.abort()
    rows["skipped"], rows["held_out"] = bad.count, source.held_out
    if not rows["kept"]:
        raise DataError(
            f"no row is left to train on: {rows['read']} read, {rows['skipped']} bad, {rows['dropped']} "
            f"without a label within max_length={experiment.max_length}, {rows['too_long']} longer than it; "
            f"{rows['held_out']} held out for the evaluation"
        )
    sizes = np.concatenate(lengths)
    samples = _write_samples(folder, sizes, experiment)
    return {
        "data_version": DATA_VERSION, "format": data.format,
        "sources": source.manifest(),
        "rows": rows, "skipped_reasons": bad.reasons,
        "sequences": len(sizes), "tokens": tokens.length, "labelled_tokens": labelled, "tokens_cut": cut,
        "samples": samples, "fill_share": round(tokens.length / (samples * experiment.max_length), 6),
        "longest_row": int(sizes.max()), "max_length": experiment.max_length, "packing": data.packing,
        "template": None if data.format == "text" else model.template, "bos": model.bos,
        "tokenizer_sha256": request.tokenizer_sha256, "deciding": request.deciding,
        "messages_key": request.messages_key, "seconds": round(time.perf_counter() - started, 3),
    }  # fmt: skip


def _write_samples(folder: Path, sizes: np.ndarray, experiment: Experiment) -> int:
    bins = (
        packing.pack(sizes, experiment.max_length, experiment.seed, experiment.data.shuffle)
        if experiment.data.packing
        else packing.alone(len(sizes))
    )
    write_npy(folder / ROWS, np.concatenate([[0], np.cumsum(sizes)]), "i8")
    write_npy(folder / SAMPLES, np.concatenate([[0], np.cumsum([len(members) for members in bins])]), "i8")
    write_npy(folder / ROW_ORDER, np.array([row for members in bins for row in members]), "i8")
    return len(bins)


def _write_messages(experiment: Experiment, request: _Request, folder: Path) -> Manifest:
    started = time.perf_counter()
    bad = BadRows()
    records, _ = request.source.drawn()
    rows = read_records(records, FORMATS[request.source.format].parse, experiment.data.on_bad_row, bad)
    count = write_messages(folder, rows, request.messages_key[:16])
    return {
        "data_version": DATA_VERSION, "format": request.source.format, "rows": count, "skipped": bad.count,
        "sources": request.source.manifest(),
        "seconds": round(time.perf_counter() - started, 3),
    }  # fmt: skip
