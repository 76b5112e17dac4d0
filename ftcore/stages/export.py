"""Stage export: the newest checkpoint -> `adapter/` in PEFT's form, or `merged/` after full fine-tuning."""

from pathlib import Path

from ftcore.config.errors import WorkError
from ftcore.models.files import artifacts
from ftcore.runs.files import folder_in_one_step
from ftcore.runs.record import Record
from ftcore.stages.context import Context, Detail


def pending(context: Context) -> bool:
    return not target(context).is_dir()


def target(context: Context) -> Path:
    """The folder this stage leaves."""
    return context.run.merged if context.experiment.lora.method == "full" else context.run.adapter


def work(context: Context) -> Detail:
    from ftcore import compat

    compat.apply()
    from ftcore.training import checkpoint, state

    e, run = context.experiment, context.run
    newest, warnings = checkpoint.newest(run.checkpoints)
    if newest is None:
        raise WorkError(f"no whole checkpoint in {run.checkpoints}", goes_on=f"ftcore resume {run.id}")
    for warning in warnings:
        print(warning)
    weights = state.trained_weights(newest)
    with folder_in_one_step(target(context)) as folder:
        if e.lora.method == "full":
            state.write_model(e, weights, folder)
        else:
            state.write_adapter(e, weights, folder)
    return {"checkpoint": newest.path.name, "artifacts": artifacts(target(context), run.path)}


def into_record(record: Record, detail: Detail) -> None:
    record["artifacts"] += detail["artifacts"]


