"""What the entries of prepared data hold: arrays of tokens, and messages for stock XTuner."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from ftcore.config.schema import Experiment, Model
from ftcore.data import packing
from ftcore.data.cache import Manifest
from ftcore.data.errors import DataError
from ftcore.data.layout import LABELS, ROW_ORDER, ROWS, SAMPLES, TOKENS
from ftcore.data.messages import write_messages
from ftcore.data.npy import NpyWriter, write_npy
from ftcore.data.request import DATA_VERSION, Report, Request
from ftcore.data.source import Source
from ftcore.data.sources import FORMATS, BadRows, read_records
from ftcore.data.tokenise import Task, Tokenised, tokenise
from ftcore.data.tokenizer import Codec, TokenizerSource, codec, load_tokenizer


@dataclass(slots=True)
class Rows:
    """What became of the rows: `read` is the sum of the others, but that truncated rows are kept or dropped
    ones, and that held_out rows are not read."""

    read: int = 0
    kept: int = 0
    skipped: int = 0
    truncated: int = 0
    dropped: int = 0
    too_long: int = 0
    held_out: int = 0

    def add(self, batch: Tokenised) -> None:
        for name in ("read", "kept", "truncated", "dropped", "too_long"):
            setattr(self, name, getattr(self, name) + getattr(batch, name))
        self.skipped += batch.bad.count


@dataclass(slots=True)
class _Counts:
    """Over all sources."""

    lengths: list[np.ndarray] = field(default_factory=list)
    bad: BadRows = field(default_factory=BadRows)
    cut: int = 0
    labelled: int = 0

    def add(self, batch: Tokenised) -> None:
        self.lengths.append(batch.lengths)
        self.bad.extend(batch.bad)
        self.cut += batch.tokens_cut
        self.labelled += batch.labelled


def write_tokens(experiment: Experiment, request: Request, report: Report | None, folder: Path) -> Manifest:
    """Writes the arrays of `layout` into the folder, sources one behind the other; returns the manifest.

    DataError for a bad row, if those are errors, and for a source of which no row is left.
    """
    started = time.perf_counter()
    data, model = experiment.data, experiment.model
    counts, parts = (
        _Counts(),
        {source.name: Rows(held_out=source.origin.held_out) for source in request.sources},
    )
    tokens, labels = NpyWriter(folder / TOKENS, "i4"), NpyWriter(folder / LABELS, "?")
    try:
        for source, batch in _batches(experiment, request, report):
            tokens.append(batch.tokens)
            labels.append(batch.trained)
            counts.add(batch)
            parts[source.name].add(batch)
        tokens.close()
        labels.close()
    finally:
        tokens.abort()
        labels.abort()
    for name, rows in parts.items():
        _require_kept(f" of data.mix.{name}" if name else "", rows, experiment.max_length)
    sizes = np.concatenate(counts.lengths)
    samples = _write_samples(folder, sizes, experiment)
    rows = {name: sum(getattr(part, name) for part in parts.values()) for name in asdict(Rows())}
    return {
        "data_version": DATA_VERSION, "format": data.format,
        "sources": [file for source in request.sources for file in source.origin.manifest()],
        "rows": rows, "skipped_reasons": counts.bad.reasons,
        "parts": [
            {"name": source.name, "format": source.format, "rows": asdict(parts[source.name]),
             "messages_key": request.messages_keys[source.name]}
            for source in request.sources
        ],
        "sequences": len(sizes), "tokens": tokens.length, "labelled_tokens": counts.labelled,
        "tokens_cut": counts.cut,
        "samples": samples, "fill_share": round(tokens.length / (samples * experiment.max_length), 6),
        "longest_row": int(sizes.max()), "max_length": experiment.max_length, "packing": data.packing,
        "template": model.template if request.template else None, "bos": model.bos,
        "tokenizer_sha256": request.tokenizer_sha256, "deciding": request.deciding,
        "seconds": round(time.perf_counter() - started, 3),
    }  # fmt: skip


def write_converted(experiment: Experiment, source: Source, key: str, folder: Path) -> Manifest:
    """Writes a source's conversations as `write_messages` does; returns the manifest."""
    started = time.perf_counter()
    bad = BadRows()
    records, _ = source.drawn()
    rows = read_records(records, FORMATS[source.format].parse, experiment.data.on_bad_row, bad)
    count = write_messages(folder, rows, key[:16])
    return {
        "data_version": DATA_VERSION, "format": source.format, "rows": count, "skipped": bad.count,
        "sources": source.origin.manifest(),
        "seconds": round(time.perf_counter() - started, 3),
    }  # fmt: skip


def _batches(
    experiment: Experiment, request: Request, report: Report | None
) -> Iterator[tuple[Source, Tokenised]]:
    made = _codec(experiment.model)
    drawn = [source.drawn() for source in request.sources]
    done, total = 0, sum(size for _, size in drawn)
    for source, (records, _) in zip(request.sources, drawn, strict=True):
        task = Task(
            source.format, experiment.data.on_bad_row, made, request.template, experiment.model.bot_name,
            experiment.max_length, experiment.data.long_rows,
        )  # fmt: skip
        for batch in tokenise(records, task, experiment.data.prepare_workers):
            yield source, batch
            done += batch.size
            if report:
                report(done, total, "bytes")


def _codec(model: Model) -> Codec:
    stated = model.tokenizer.model_dump(exclude_none=True)
    source = TokenizerSource(model.path, model.trust_remote_code, stated)
    return codec(load_tokenizer(source), model.bos, source)


def _require_kept(of: str, rows: Rows, max_length: int) -> None:
    if not rows.kept:
        raise DataError(
            f"no row{of} is left to train on: {rows.read} read, {rows.skipped} bad, {rows.dropped} "
            f"without a label within max_length={max_length}, {rows.too_long} longer than it; "
            f"{rows.held_out} held out for the evaluation"
        )


def _write_samples(folder: Path, sizes: np.ndarray, experiment: Experiment) -> int:
    bins = (
        packing.pack(sizes, experiment.max_length, experiment.seed, experiment.data.shuffle_before_packing)
        if experiment.data.packing
        else packing.alone(len(sizes))
    )
    write_npy(folder / ROWS, np.concatenate([[0], np.cumsum(sizes)]), "i8")
    write_npy(folder / SAMPLES, np.concatenate([[0], np.cumsum([len(members) for members in bins])]), "i8")
    write_npy(folder / ROW_ORDER, np.array([row for members in bins for row in members]), "i8")
    return len(bins)
