"""Which stages a run has, which of them are still to be done, and who does them."""

from collections.abc import Callable
from dataclasses import dataclass

from ftcore.config.schema import Experiment
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.stages import evaluate, export, merge, prepare, train
from ftcore.stages.context import Context, Detail


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a run."""

    name: str

    pending: Callable[[Experiment, RunDirectory], bool]
    """Whether it is asked for and its result is not on disk yet."""

    work: Callable[[Context], Detail]
    """Does it; returns the figures that the record keeps."""

    into_record: Callable[[record.Record, Detail], None]
    """Puts those figures where readers of the record look for them."""

    on_every_rank: bool = False


STAGES = (
    Stage("prepare", train.pending, prepare.work, prepare.into_record),
    Stage("train", train.pending, train.work, train.into_record, on_every_rank=True),
    Stage("export", export.pending, export.work, export.into_record),
    Stage("merge", merge.pending, merge.work, merge.into_record),
    Stage("evaluate", evaluate.pending, evaluate.work, evaluate.into_record),
)


def missing(e: Experiment, run: RunDirectory) -> list[str]:
    """Names of the stages whose results are not on disk, whatever the record says; imports no torch."""
    return [stage.name for stage in STAGES if stage.pending(e, run)]


def run_stages(context: Context) -> None:
    """Do what is still to be done, in order.

    Ranks other than 0 take part in training and are then done: no card waits in a collective while one
    process tokenises or merges.
    """
    for stage in STAGES:
        if not stage.pending(context.experiment, context.run):
            continue
        context.stop.check()
        if context.rank.main:
            _as_main(stage, context)
        elif stage.on_every_rank:
            context.progress.begin(stage.name)
            stage.work(context)


def _as_main(stage: Stage, context: Context) -> None:
    context.progress.begin(stage.name)
    record.begin_stage(context.run, stage.name)
    detail = stage.work(context)
    figures = {name: value for name, value in detail.items() if isinstance(value, (int, float))}
    record.end_stage(context.run, stage.name, figures, merge=lambda entry: stage.into_record(entry, detail))
