"""Which stages a run has, which of them are still to be done, and who does them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ftcore.config.schema import Experiment, SlurmCluster
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


class Part(StrEnum):
    """What of a run one job does."""

    WHOLE = "whole"
    TRAIN = "train"
    """Prepare and train: what needs all cards."""

    FINISH = "finish"
    """The rest, which needs one."""


TRAINING = ("prepare", "train")


def stages_of(part: Part) -> list[Stage]:
    """The steps of a part, in order."""
    if part is Part.WHOLE:
        return list(STAGES)
    return [stage for stage in STAGES if (stage.name in TRAINING) == (part is Part.TRAIN)]


def parts(e: Experiment, run: RunDirectory) -> list[Part]:
    """The jobs that what is missing of a run takes, in order: at least one, where all is there too."""
    if not isinstance(e.cluster, SlurmCluster) or not e.cluster.finish.own_job:
        return [Part.WHOLE]
    names = missing(e, run)
    wanted = [part for part in (Part.TRAIN, Part.FINISH) if {s.name for s in stages_of(part)} & {*names}]
    return wanted or [Part.WHOLE]


def missing(e: Experiment, run: RunDirectory) -> list[str]:
    """Names of the stages whose results are not on disk, whatever the record says; imports no torch."""
    return [stage.name for stage in STAGES if stage.pending(e, run)]


def run_stages(context: Context, part: Part) -> None:
    """Do what of a part is still to be done, in order.

    Ranks other than 0 take part in training and are then done: no card waits in a collective while one
    process tokenises or merges.
    """
    for stage in stages_of(part):
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
