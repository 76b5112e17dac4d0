"""Stage merge: base model plus adapter -> `merged/`, which plain transformers loads."""

from ftcore.config.schema import Experiment
from ftcore.models.files import artifacts, replace_artifacts
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import folder_in_one_step
from ftcore.runs.record import Record
from ftcore.stages.context import Context, Detail


def pending(e: Experiment, run: RunDirectory) -> bool:
    return e.export.merge and e.lora.method != "full" and not run.merged.is_dir()


def work(context: Context) -> Detail:
    from ftcore.training.state import merge_adapter

    with folder_in_one_step(context.run.merged, alone=True) as folder:
        merge_adapter(context.experiment, context.run.adapter, folder)
    return {"artifacts": artifacts(context.run.merged, context.run.path)}


def into_record(record: Record, detail: Detail) -> None:
    replace_artifacts(record, detail["artifacts"])
