"""The prepare stage: training data tokenised, packed and cached, once for every run that shares it."""

from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ftcore.config.schema import Experiment
from ftcore.config.xtuner.data import CONVERTED, UNTEMPLATED
from ftcore.data.cache import Manifest, build_entry, canonical_key, read_manifest
from ftcore.data.errors import DataError
from ftcore.data.fingerprints import fingerprints
from ftcore.data.request import DATA_VERSION, Report, Request
from ftcore.data.source import Source, open_sources
from ftcore.data.templates import prompt_template
from ftcore.data.tokenizer import tokenizer_files


@dataclass(frozen=True, slots=True)
class Prepared:
    """A whole entry of the cache.

    path: the folder that `PackedDataset` opens. manifest: its `manifest.json`. messages: the same
    conversations for stock XTuner, of each source (a key of `data.mix`, or None for the first one) that it
    cannot read by itself.
    """

    path: Path
    key: str
    manifest: Manifest
    messages: dict[str | None, Path]


def cache_key(experiment: Experiment) -> str:
    """The key under which `prepare` puts, or finds, this experiment's data.

    Reads no rows where the files are as they were when last hashed (BFCL, which is small, is read), and
    asks nothing of the network for data: a hub dataset is looked for in its local cache.

    DataError where sources or tokenizer files are missing.
    """
    return canonical_key(_request(experiment, fetch=False).deciding)


def find_prepared(cache_dir: str | Path, key: str) -> Prepared | None:
    """The whole entry of that key, or None (missing, torn, or without the messages that belong to it)."""
    path = _entry(cache_dir, "data", key)
    manifest = read_manifest(path)
    if manifest is None:
        return None
    messages = {
        part["name"]: _entry(cache_dir, "messages", part["messages_key"])
        for part in manifest["parts"]
        if part["messages_key"]
    }
    whole = all(read_manifest(folder) is not None for folder in messages.values())
    return Prepared(path, key, manifest, messages) if whole else None


def prepare(experiment: Experiment, report: Report | None = None) -> Prepared:
    """The experiment's data, ready to train on: found in the cache, or built there.

    Several processes may prepare the same data at once. DataError for anything wrong with the data.
    """
    request = _request(experiment, fetch=True)
    key = canonical_key(request.deciding)
    prepared = find_prepared(experiment.cache_dir, key)
    if prepared is None:
        # A plan asks for keys alone, and has a second for all it does.
        from ftcore.data.writing import write_converted, write_tokens

        entry = _entry(experiment.cache_dir, "data", key)
        if read_manifest(entry) is None:
            build_entry(entry, partial(write_tokens, experiment, request, report))
        for source in request.sources:
            if messages_key := request.messages_keys[source.name]:
                messages = _entry(experiment.cache_dir, "messages", messages_key)
                if read_manifest(messages) is None:
                    build_entry(messages, partial(write_converted, experiment, source, messages_key))
        prepared = find_prepared(experiment.cache_dir, key)
        if prepared is None:
            raise DataError(f"{entry}: removed while it was built")
    _refuse_skipped(experiment, prepared)
    # The entry may come from a run that had the same rows in other files.
    own = [file for source in request.sources for file in source.origin.manifest()]
    return replace(prepared, manifest={**prepared.manifest, "sources": own})


def _entry(cache_dir: str | Path, kind: str, key: str) -> Path:
    return Path(cache_dir).expanduser() / kind / key


def _refuse_skipped(experiment: Experiment, prepared: Prepared) -> None:
    # The entry may come from a run that skipped bad rows; this run asked to be stopped by them.
    skipped = prepared.manifest["rows"]["skipped"]
    if skipped and experiment.data.on_bad_row == "error":
        raise DataError(f"{prepared.manifest['skipped_reasons'][0]} ({skipped} bad rows in all)")


def _request(experiment: Experiment, fetch: bool) -> Request:
    data, model = experiment.data, experiment.model
    cache_dir = Path(experiment.cache_dir).expanduser()
    sources = open_sources(data, experiment.evaluation, experiment.seed, cache_dir, fetch)
    files = fingerprints(tokenizer_files(model.path), cache_dir)
    tokenizer = canonical_key({Path(file.path).name: file.sha256 for file in files})
    templated = any(source.format not in UNTEMPLATED for source in sources)
    template = prompt_template(model.template) if templated else {}
    named = any(source.format == "moss" for source in sources) or "{bot_name}" in str(template)
    drawn = data.packing and data.shuffle_before_packing
    deciding = {
        "version": DATA_VERSION, "rows": [source.deciding() for source in sources], "template": template,
        "bos": model.bos, "bot_name": model.bot_name if named else None,
        "tokenizer": tokenizer,
        # The side of padding is left out: prepared rows have none.
        "tokenizer_stated": model.tokenizer.model_dump(exclude={"padding_side"}),
        "tokenizer_code": {name: _version(name) for name in ("tokenizers", "transformers")},
        "max_length": experiment.max_length, "long_rows": data.long_rows, "packing": data.packing,
        "shuffle": drawn,
        "seed": experiment.seed if drawn else None,
    }  # fmt: skip
    messages_keys = {source.name: _messages_key(source) for source in sources}
    return Request(sources, template, tokenizer, deciding, messages_keys)


def _messages_key(source: Source) -> str | None:
    if source.format not in CONVERTED:
        return None
    return canonical_key({"version": DATA_VERSION, "rows": source.deciding()})


def _version(package: str) -> str | None:
    # The same tokenizer file can come out as other tokens under another release.
    try:
        return version(package)
    except PackageNotFoundError:
        return None
