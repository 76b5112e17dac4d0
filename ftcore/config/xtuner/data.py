"""The training data of an experiment, as stock XTuner loads it."""

from pathlib import PurePosixPath

from ftcore.config.schema import Experiment, Source
from ftcore.config.xtuner.values import Config, template

CONVERTED = ("agent_flan", "function_calls")
"""Formats that stock XTuner cannot read; stage prepare leaves them as an Arrow folder of `messages`."""

OWN_ROWS = ("conversation", "tokens")
"""Formats that XTuner takes as they are, without a map function."""

OTHER_MAP_FN = {"agent_flan": "openai", "function_calls": "openai", "text": "pretrain"}
"""The map functions that have another name than the format."""

UNTEMPLATED = ("text", "tokens", "intern_tokens", "moss")
"""Formats whose rows no prompt template is put round."""

INTERN_SEED = 1024
"""InternEvo's order is drawn from this seed alone (xtuner.dataset.samplers.InternRepoSampler)."""


def dataloader(e: Experiment, tokenizer: Config) -> Config:
    """`train_dataloader`: one dataset, or several one behind the other."""
    datasets = [_dataset(e, key, source, tokenizer) for key, source in e.data.sources().items()]
    several = {"type": "xtuner.dataset.ConcatDataset", "datasets": datasets}
    return {
        "batch_size": e.data.micro_batch_size,
        "num_workers": e.data.num_workers,
        "dataset": several if len(datasets) > 1 else datasets[0],
        **_sampling(e),
        "collate_fn": {
            "type": "xtuner.dataset.collate_fns.default_collate_fn",
            "use_varlen_attn": e.data.varlen,
        },
    }


def map_fn(format: str) -> str | None:
    """The dotted name of XTuner's map function for rows of `format`, None where it needs none."""
    if format in OWN_ROWS:
        return None
    return f"xtuner.dataset.map_fns.{OTHER_MAP_FN.get(format, format)}_map_fn"


def messages_path(e: Experiment, source: str | None = None) -> str:
    """Where stage prepare leaves the converted rows of a source (None: the first; else a key of `data.mix`)
    for stock XTuner."""
    name = e.data.name if source is None else f"{e.data.name}-{source}"
    return str(PurePosixPath(e.cache_dir) / "messages" / name)


def _dataset(e: Experiment, key: str, source: Source, tokenizer: Config) -> Config:
    if source.format == "moss":
        return {
            "type": "xtuner.dataset.MOSSSFTDataset",
            "data_file": source.path,
            "bot_name": e.model.bot_name,
            "tokenizer": tokenizer,
            "max_length": e.max_length,
        }
    if source.format in ("intern_tokens", "intern_messages"):
        return _intern_repo(e, source, tokenizer)
    process = "process_ms_dataset" if source.hub == "modelscope" else "process_hf_dataset"
    templated = source.format not in UNTEMPLATED
    reads = {} if source.format == "tokens" else {"tokenizer": tokenizer}
    config: Config = {
        "type": f"xtuner.dataset.{process}",
        "dataset": _rows(e, key, source),
        **reads,
        "max_length": e.max_length,
        "dataset_map_fn": map_fn(source.format),
        "template_map_fn": _template_map_fn(e) if templated else None,
        "max_dataset_length": source.max_rows,
        "remove_unused_columns": True,
        "shuffle_before_pack": e.data.shuffle_before_packing,
        "pack_to_max_length": e.data.packing,
        "use_varlen_attn": e.data.varlen,
    }
    if source.format == "tokens":
        config["do_dataset_tokenization"] = False
    return config


def _template_map_fn(e: Experiment) -> Config:
    return {
        "type": "xtuner.dataset.map_fns.template_map_fn_factory",
        "template": template(e.model.template),
    }


def _intern_repo(e: Experiment, source: Source, tokenizer: Config) -> Config:
    loader: Config = {"data_order_path": None, "folder": source.path}
    if source.format == "intern_tokens":
        loader |= {"min_length": 0, "file_type": ".bin"}
        name = "load_intern_repo_tokenized_dataset"
    else:
        loader |= {"tokenizer": tokenizer, "max_length": e.max_length}
        loader |= {"template_map_fn": _template_map_fn(e), "file_type": ".json"}
        name = "load_intern_repo_untokenized_dataset"
    return {
        "type": "xtuner.dataset.intern_repo.build_packed_dataset",
        "dataset_cfg": {"type": f"xtuner.dataset.intern_repo.{name}", **loader},
        "packed_length": e.max_length,
        "seed": INTERN_SEED,
    }


def _rows(e: Experiment, key: str, source: Source) -> Config:
    if source.format in CONVERTED:
        path = messages_path(e, key.removeprefix("mix.") or None)
        return {"type": "datasets.load_from_disk", "dataset_path": path}
    path = source.path or ""
    if source.hub is None:
        kind = "text" if path.endswith(".txt") else "json"
        files = path if PurePosixPath(path).suffix else f"{path}/*"
        return {"type": "datasets.load_dataset", "path": kind, "data_files": files}
    if source.hub == "modelscope":
        config: Config = {"type": "modelscope.msdatasets.MsDataset.load", "dataset_name": path}
        names = {"subset": "subset_name", "split": "split", "folder": "data_dir", "files": "data_files"}
    else:
        loader = "openmind.OmDataset" if source.hub == "openmind" else "datasets"
        config = {"type": f"{loader}.load_dataset", "path": path}
        names = {"subset": "name", "split": "split", "folder": "data_dir", "files": "data_files"}
    given = ((name, getattr(source, field)) for field, name in names.items())
    return config | {name: _plain(value) for name, value in given if value is not None}


def _plain(value: str | tuple[str, ...]) -> str | list[str]:
    return list(value) if isinstance(value, tuple) else value


def _sampling(e: Experiment) -> Config:
    if e.data.sampler == "intern_repo":
        sampler = {"type": "xtuner.dataset.samplers.InternRepoSampler", "seed": INTERN_SEED}
        whole_batches = {"drop_last": True, "batch_size": e.data.micro_batch_size}
        return {
            "sampler": sampler | {"shuffle": e.data.shuffle},
            "batch_sampler": {"type": "torch.utils.data.BatchSampler", **whole_batches},
        }
    parallel = e.parallelism.sequence_parallel > 1
    name = (
        "xtuner.parallel.sequence.SequenceParallelSampler" if parallel else "mmengine.dataset.DefaultSampler"
    )
    return {"sampler": {"type": name, "shuffle": e.data.shuffle}}
