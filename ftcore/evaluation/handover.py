"""What OpenCompass is started with for a run's models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.runs.directory import RunDirectory

DTYPES = {"fp32": "torch.float32", "bf16": "torch.bfloat16", "fp16": "torch.float16"}

OPENCOMPASS = '''\
"""Base and tuned model of ftcore run {run}, for OpenCompass (0.5):

    opencompass {file} --work-dir outputs/{run}

Written by `ftcore evaluate`; OpenCompass fetches or expects its data sets as its own documentation says.
"""

from mmengine.config import read_base
from opencompass.models import {model}

with read_base():
    # What tuning on tool calls should help with, and what it may have cost.
    from opencompass.configs.datasets.ceval.ceval_gen import ceval_datasets
    from opencompass.configs.datasets.gsm8k.gsm8k_gen import gsm8k_datasets
    from opencompass.configs.datasets.hellaswag.hellaswag_gen import hellaswag_datasets
    from opencompass.configs.datasets.teval.teval_en_gen import teval_datasets
    from opencompass.configs.datasets.teval.teval_zh_gen import teval_datasets as teval_zh_datasets

datasets = teval_datasets + teval_zh_datasets + ceval_datasets + gsm8k_datasets + hellaswag_datasets

models = [
{models}]
'''


def opencompass(e: Experiment, run: RunDirectory) -> dict[str, str]:
    """{file name: text}: a configuration that loads the run's base and tuned weights.

    With merged weights missing, OpenCompass puts the adapter on the base model itself.
    """
    tuned = {"path": absolute(str(run.merged))}
    if not run.merged.is_dir():
        tuned = {"path": absolute(e.model.path), "peft_path": absolute(str(run.adapter))}
    sides = {"base": {"path": absolute(e.model.path)}, "tuned": tuned}
    found = {who: _weights(e) | paths for who, paths in sides.items()}
    return _config(run, "HuggingFacewithChatTemplate", found)


def opencompass_served(
    e: Experiment, run: RunDirectory, served: Mapping[str, tuple[str, str]]
) -> dict[str, str]:
    """As `opencompass`, of models that are served: who -> (URL, name there)."""
    found = {
        who: {
            "path": name, "openai_api_base": url, "key": "ENV", "meta_template": _meta_template(),
            "query_per_second": e.evaluation.endpoint.concurrency, "retry": e.evaluation.endpoint.retries,
            "max_seq_len": e.model.context_length or 8192, "max_out_len": 1024, "batch_size": 8,
            "temperature": 0.0, "run_cfg": {"num_gpus": 0},
        }
        for who, (url, name) in served.items()
    }  # fmt: skip
    return _config(run, "OpenAISDK", found)


def _weights(e: Experiment) -> dict[str, Any]:
    remote = {"trust_remote_code": e.model.trust_remote_code}
    said: dict[str, Any] = {
        "model_kwargs": {"torch_dtype": DTYPES[e.precision.dtype], **remote},
        "tokenizer_kwargs": remote,
        "meta_template": _meta_template(), "stop_words": list(e.model.stop_tokens or ()),
        "max_out_len": 1024, "batch_size": e.evaluation.batch_size, "run_cfg": {"num_gpus": 1},
    }  # fmt: skip
    if e.model.context_length is not None:
        said["max_seq_len"] = e.model.context_length
    return said


def _meta_template() -> dict[str, Any]:
    """OpenCompass's own default shows a system text as the user's; here models were tuned with one."""
    return {
        "round": [
            {"role": "HUMAN", "api_role": "HUMAN"},
            {"role": "BOT", "api_role": "BOT", "generate": True},
        ],
        "reserved_roles": [{"role": "SYSTEM", "api_role": "SYSTEM"}],
    }


def _config(run: RunDirectory, model: str, sides: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    file = f"opencompass_{run.id.replace('-', '_')}.py"
    models = "".join(
        f"    dict(\n        type={model},\n        abbr={f'{run.name}-{run.id}-{who}'!r},\n"
        + "".join(f"        {key}={value!r},\n" for key, value in said.items())
        + "    ),\n"
        for who, said in sides.items()
    )
    text = OPENCOMPASS.format(run=run.id, file=file, model=model, models=models)
    return {file: text}


def absolute(path: str) -> str:
    """A folder by its whole path, since the file is read elsewhere; a hub's id as it is."""
    folder = Path(path).expanduser()
    return str(folder.resolve()) if folder.is_dir() else path
