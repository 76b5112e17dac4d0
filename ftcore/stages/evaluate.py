"""Stage evaluate: held-out cases and text, base against tuned -> `evaluation.json`."""

from ftcore.config.schema import Experiment
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json
from ftcore.runs.record import Record
from ftcore.stages.context import Context, Detail


def pending(e: Experiment, run: RunDirectory) -> bool:
    return e.evaluation.kind != "none" and not run.evaluation.exists()


def work(context: Context) -> Detail:
    from ftcore.evaluation.measure import evaluate

    result = evaluate(context.experiment, context.run, context.report)
    write_json(context.run.evaluation, result)
    return {part: result[part] for part in ("base", "tuned", "difference")}


def into_record(record: Record, detail: Detail) -> None:
    record["results"]["evaluation"] = detail
