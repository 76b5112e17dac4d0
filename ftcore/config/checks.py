"""Rules across keys: settings that each are valid and together cannot work.

Pure: nothing here looks at the machine or the disk (`ftcore.plan.preflight` does).
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from ftcore.config.errors import Problem, nearest
from ftcore.config.kernels import Part, obstacles, possible
from ftcore.config.schema import Experiment, Mlflow, SlurmCluster, Source
from ftcore.config.secrets import is_secret
from ftcore.data.bfcl import CATEGORIES, MEASURED, SCORED_BY_BFCL
from ftcore.hardware.capabilities import has_bf16
from ftcore.hardware.environment import misspelt
from launchers import slurm_queue

SEQUENCE_PARALLEL = "parallelism.sequence_parallel"
ZERO = "parallelism.deepspeed.zero_optimization"

ORDERS: dict[Part, tuple[str, str]] = {
    "layers": ("fused", "auto, stock"), "loss": ("fused", "auto, stock"),
    "attention": ("rows", "auto, stock"), "frozen_weights": ("fp8", "native"),
}  # fmt: skip
"""Part of `kernels` -> the value that insists on it, and those that do not."""

EXECUTED = ("multi_turn", "web_search", "memory")
"""How BFCL's categories begin whose calls are executed."""

Rule = Callable[[Experiment], Iterator[Problem]]


def check(experiment: Experiment) -> list[Problem]:
    """All contradictions in `experiment`."""
    return [problem for rule in RULES for problem in rule(experiment)]


def world(e: Experiment) -> Iterator[Problem]:
    ranks = f"{e.nodes} node(s) x {e.hardware.devices_per_node} device(s)"
    if e.parallelism.strategy == "single" and e.world_size > 1:
        yield Problem("parallelism", f"single is one process; {ranks} make {e.world_size}", "ddp, zero1, ...")
    size = e.parallelism.sequence_parallel
    if e.world_size % size:
        yield Problem(SEQUENCE_PARALLEL, f"{size} does not divide the world size {e.world_size} ({ranks})")
    if e.max_length % size:
        yield Problem("max_length", f"{e.max_length} is not divisible by {SEQUENCE_PARALLEL}={size}")
    if size > 1 and e.model.attention != "flash_attention_2" and not possible(e, "attention"):
        yield Problem(
            SEQUENCE_PARALLEL, "XTuner's runs on flash-attn only, ftcore's on its own attention only",
            "1, kernels.attention=rows, or model.attention=flash_attention_2",
        )  # fmt: skip


def sharding(e: Experiment) -> Iterator[Problem]:
    block = e.parallelism.deepspeed
    if (block is not None) != (e.parallelism.strategy == "deepspeed"):
        wanted = "needs" if block is None else "has no use for"
        strategy = e.parallelism.strategy
        yield Problem("parallelism.deepspeed", f"strategy {strategy} {wanted} a DeepSpeed block")
    if block is None:
        return
    zero = block.zero_optimization
    if zero.offload_optimizer and zero.stage == 0:
        yield Problem(
            f"{ZERO}.offload_optimizer", "offload needs ZeRO; stage is 0", "null",
            "parallelism=zero2_offload",
        )  # fmt: skip
    if zero.offload_param and zero.stage != 3:
        yield Problem(
            f"{ZERO}.offload_param",
            f"weights can be offloaded under ZeRO-3 only; stage is {zero.stage}", "null",
            "parallelism=zero3_offload",
        )  # fmt: skip
    if e.hardware.accelerator == "cpu" and zero.stage in (1, 2):
        yield Problem(
            "parallelism", f"ZeRO-{zero.stage} does not run over gloo on a CPU", "single, ddp, zero3",
        )  # fmt: skip


def adapter(e: Experiment) -> Iterator[Problem]:
    quantized = e.lora.quantization is not None
    if quantized != (e.lora.method == "qlora"):
        wanted = "needs" if e.lora.method == "qlora" else "has no use for"
        yield Problem("lora.quantization", f"method {e.lora.method} {wanted} it", nearest="lora=qlora")
    if e.lora.method == "qlora" and e.hardware.accelerator != "cuda":
        yield Problem(
            "lora", f"qlora needs bitsandbytes, which has no build for {e.hardware.accelerator}",
            "lora, full", "lora=lora",
        )  # fmt: skip
    if e.lora.method != "full" and e.lora.targets == ():
        yield Problem("lora.targets", "an adapter on no layer trains nothing", "names of layers, or null")
    if quantized and e.zero_stage == 3:
        message = "quantised weights cannot be sharded by ZeRO-3"
        yield Problem("lora", message, "lora, or parallelism=zero2", "lora=lora")


def precision(e: Experiment) -> Iterator[Problem]:
    kind, arch, dtype = e.hardware.accelerator, e.hardware.arch, e.precision.dtype
    if dtype == "bf16" and has_bf16(kind, arch) is False:
        yield Problem("precision", f"{arch} has no bf16, only an emulation", "fp16, fp32", "fp16")
    if dtype == "fp16" and kind == "cpu":
        yield Problem("precision", "fp16 training does not run on a CPU", "fp32, bf16", "fp32")
    if e.model.attention == "flash_attention_2" and (kind == "cpu" or dtype == "fp32"):
        message = "flash_attention_2 needs an accelerator and 16-bit weights"
        yield Problem("model.attention", message, "sdpa, eager", "sdpa")


def kernels(e: Experiment) -> Iterator[Problem]:
    for part, (order, others) in ORDERS.items():
        if getattr(e.kernels, part) == order:
            for obstacle in obstacles(e, part):
                yield Problem(f"kernels.{part}", obstacle.reason, f"{others}, or {obstacle.instead}")
    if isinstance(e.kernels.recompute_layers, int) and e.kernels.layers == "stock":
        message = "stock layers are computed again all or none (model.activation_checkpointing)"
        yield Problem("kernels.recompute_layers", message, "auto, null, or kernels.layers=fused")


def lengths(e: Experiment) -> Iterator[Problem]:
    context = e.model.context_length
    if context is not None and e.max_length > context:
        yield Problem("max_length", f"{e.max_length} is over model.context_length={context}")


def data(e: Experiment) -> Iterator[Problem]:
    for key, source in e.data.sources().items():
        yield from _source(f"data.{key}".rstrip("."), source, e)
    if e.data.varlen and not e.data.packing:
        yield Problem("data.varlen", "is about packed rows, and data.packing is false", "false")
    if e.data.varlen and e.data.micro_batch_size > 1:
        message = "XTuner's variable-length attention takes one sequence at a time"
        yield Problem("data.micro_batch_size", message, "1, or data.varlen=false")


def _source(key: str, source: Source, e: Experiment) -> Iterator[Problem]:
    calls = source.format == "function_calls"
    if calls and not source.categories:
        yield Problem(f"{key}.categories", "format function_calls needs at least one BFCL category")
    if not calls and source.path is None:
        yield Problem(f"{key}.path", f"format {source.format} needs a file, a folder or a hub dataset")
    if calls and e.evaluation.asks:
        held_out = {*e.evaluation.categories, *e.evaluation.refusal_categories}
        for name in sorted(held_out.intersection(source.categories)):
            message = f"{name} is held out by evaluation and cannot be trained on"
            yield Problem(f"{key}.categories", message)
    for name in ("subset", "split", "folder", "files"):
        if source.hub is None and getattr(source, name) is not None:
            yield Problem(f"{key}.{name}", f"is about a hub dataset, and {key}.hub is null", "null")
    if source.hub and source.format in ("function_calls", "moss", "intern_tokens", "intern_messages"):
        yield Problem(f"{key}.hub", f"format {source.format} is read from files", "null")
    if source.format == "moss" and e.data.varlen:
        yield Problem("data.varlen", "XTuner does not pack MOSS rows", "false")


def evaluation(e: Experiment) -> Iterator[Problem]:
    given, known = e.evaluation, MEASURED if e.evaluation.kind == "bfcl" else CATEGORIES
    for key in ("categories", "refusal_categories") if given.asks else ():
        for name in getattr(given, key):
            if name in SCORED_BY_BFCL and name not in known:
                message = f"{name} is scored by BFCL's own checker alone"
                yield Problem(f"evaluation.{key}", message, nearest="evaluation=bfcl")
            elif name.startswith(EXECUTED):
                message = f"{name} is scored by executing its calls, which is not done"
                yield Problem(f"evaluation.{key}", message, ", ".join(known))
            elif name not in known:
                message = f"no BFCL category {name!r}"
                yield Problem(f"evaluation.{key}", message, ", ".join(known), nearest(name, known))
    text = given.perplexity
    if text.stride >= text.window:
        message = (
            f"is not under the window ({text.window}): a window's first token would have nothing before it"
        )
        yield Problem("evaluation.perplexity.stride", message, f"1 to {text.window - 1}")
    if given.kind == "perplexity" and text.text is None:
        message = "is null, and nothing else is measured"
        yield Problem("evaluation.perplexity.text", message, "python_reference, or a file")


def environment(e: Experiment) -> Iterator[Problem]:
    for key, env in (("hardware.env", e.hardware.env), ("cluster.env", e.cluster.env)):
        for name, value in env.items():
            if is_secret(name) and value:
                message = "a secret, and every run keeps its configuration"
                yield Problem(f"{key}.{name}", message, "an export in the shell, or a line in cluster.setup")
            elif near := misspelt(name):
                message = "nothing known reads it (if it is meant: export it in the shell or cluster.setup)"
                yield Problem(f"{key}.{name}", message, nearest=near)
    given = e.cluster.env | e.hardware.env
    if e.hardware.accelerator == "dcu" and {"HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"} <= given.keys():
        key = "cluster.env" if "CUDA_VISIBLE_DEVICES" in e.cluster.env else "hardware.env"
        message = "beside HIP_VISIBLE_DEVICES: HIP reads both and shows what is in both"
        yield Problem(f"{key}.CUDA_VISIBLE_DEVICES", message, "HIP_VISIBLE_DEVICES alone")


def samples(e: Experiment) -> Iterator[Problem]:
    if e.chat_samples.every and not e.chat_samples.inputs:
        yield Problem("chat_samples.inputs", "chat_samples.every is set, but there is nothing to ask")


def tracker(e: Experiment) -> Iterator[Problem]:
    if isinstance(e.tracker, Mlflow) and e.tracker.uri is not None and urlsplit(e.tracker.uri).password:
        message = "holds a password, which would stand in the run's record"
        allowed = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment"
        yield Problem("tracker.uri", message, allowed)


def warning(e: Experiment) -> Iterator[Problem]:
    if not isinstance(e.cluster, SlurmCluster):
        return
    ahead, limit = e.cluster.signal_seconds, slurm_queue.seconds(e.cluster.time)
    if ahead >= limit:
        message = f"a warning {ahead} s before the limit (cluster.time={e.cluster.time}) comes before the job"
        yield Problem("cluster.signal_seconds", message, f"10 to {limit - 1}" if limit > 10 else "more time")


RULES: tuple[Rule, ...] = (
    world, sharding, adapter, precision, kernels, lengths, data, evaluation, environment, samples, tracker,
    warning,
)  # fmt: skip
