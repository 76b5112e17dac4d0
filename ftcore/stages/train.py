"""Stage train: every rank."""

from pathlib import Path
from statistics import fmean
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.config.xtuner.build import backend
from ftcore.runs import metrics, record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json
from ftcore.runs.record import Record
from ftcore.stages import export, prepare
from ftcore.stages.context import Context, Detail, Stopped
from ftcore.training.checkpoint_files import newest as newest_checkpoint


def pending(e: Experiment, run: RunDirectory) -> bool:
    """Also where training was over once, but neither its result nor a checkpoint to make it from is left."""
    if not run.trained.exists():
        return True
    return export.pending(e, run) and newest_checkpoint(run.checkpoints)[0] is None


def work(context: Context) -> Detail:
    """Train to the end; raises Stopped, with a checkpoint saved, where the job was asked to end."""
    data = prepare.wait(context)
    from ftcore import compat

    e, rank = context.experiment, context.rank
    compat.apply()
    compat.leave_out(*unused(e))
    if e.parallelism.strategy == "deepspeed" and e.hardware.accelerator == "cpu":
        compat.compile_no_all_reduce()
    from ftcore.training.distributed import join, leave
    from ftcore.training.engine import Callbacks, train

    join(rank, context.attempt, backend(e), context.stop.check)

    def progress(step: int, total: int, entry: dict[str, Any]) -> None:
        shown = {name: entry[name] for name in ("loss", "lr", "tokens_per_second")}
        context.progress.update(step, total, "steps", **shown)

    callbacks = Callbacks(lambda: bool(context.stop), progress, context.warn, context.tracking.begin)
    outcome = train(e, context.run, Path(data["data"]), rank, context.attempt, callbacks)
    # Not where train raises: as soon as this rank hangs up, all others fail too, and the first failure that
    # is written down must be the one that caused them.
    leave()
    if not outcome.finished:
        raise Stopped(context.stop.received or "another rank's request")
    if not rank.main:
        return {}
    with record.turn(context.run):
        results = summary(metrics.read(context.run.metrics), e.logging.window)
        if outcome.kernels:
            results["kernels"] = outcome.kernels
        if len(outcome.peaks) > 1:
            results["peak_memory_gib_by_rank"] = list(outcome.peaks)
        write_json(context.run.trained, results)
    return results


def unused(e: Experiment) -> list[str]:
    """Packages that mmengine would import although this experiment has no use for them."""
    needed = {"bitsandbytes": e.lora.method == "qlora", "deepspeed": e.parallelism.strategy == "deepspeed"}
    return [name for name, is_needed in needed.items() if not is_needed]


def summary(lines: list[dict[str, Any]], window: int) -> Detail:
    """The figures of a whole training, from its metrics; `end_loss` is the mean of the last `window` steps,
    since the last one's alone is as much about its few rows as about the model."""
    seconds = sum(line["step_seconds"] for line in lines)
    tokens = sum(line["tokens"] for line in lines)
    return {
        "steps": lines[-1]["step"],
        "first_loss": lines[0]["loss"],
        "final_loss": lines[-1]["loss"],
        "end_loss": fmean(line["loss"] for line in lines[-window:]),
        "tokens": tokens,
        "training_seconds": round(seconds, 3),
        "tokens_per_second": round(tokens / seconds, 2) if seconds else None,
        "peak_memory_gib": max(line["memory_gib"] for line in lines),
    }


def into_record(record: Record, detail: Detail) -> None:
    record["results"].update(detail)
