"""Stage export: the newest checkpoint -> `adapter/` in PEFT's form, or `merged/` after full fine-tuning."""

from pathlib import Path

from ftcore.config.errors import WorkError
from ftcore.config.schema import Experiment
from ftcore.models.files import artifacts, replace_artifacts
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import folder_in_one_step
from ftcore.runs.record import Record
from ftcore.stages.context import Context, Detail
from ftcore.training.checkpoint_files import newest as newest_checkpoint


def pending(e: Experiment, run: RunDirectory) -> bool:
    return not target(e, run).is_dir()


def target(e: Experiment, run: RunDirectory) -> Path:
    """The folder this stage leaves."""
    return run.merged if e.lora.method == "full" else run.adapter


def work(context: Context) -> Detail:
    from ftcore import compat

    compat.apply()
    from ftcore.training import state

    e, run = context.experiment, context.run
    newest, warnings = newest_checkpoint(run.checkpoints)
    if newest is None:
        raise WorkError(f"no whole checkpoint in {run.checkpoints}", goes_on=f"ftcore resume {run.id}")
    for warning in warnings:
        context.warn(warning)
    weights = state.trained_weights(newest)
    with folder_in_one_step(target(e, run), alone=True) as folder:
        if e.lora.method == "full":
            state.write_model(e, weights, folder)
        else:
            state.write_adapter(e, weights, folder)
    return {"checkpoint": newest.path.name, "artifacts": artifacts(target(e, run), run.path)}


def into_record(record: Record, detail: Detail) -> None:
    replace_artifacts(record, detail["artifacts"])
