"""How a sweep goes through what varies: `conf/search/`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ftcore.config.schema.base import Positive, Section, Texts


class Searching(Section):
    """What every strategy has."""

    axes: dict[str, Any]
    """Key -> values: a list, or a text in Hydra's sweep grammar; the command line's take their places."""

    skip: Texts
    """Conditions over keys (`rank > 64 and max_length > 2048`): points that are left out."""

    max_trials: Positive
    max_accelerator_hours: float | None = Field(gt=0)
    """Of all trials together; null is no limit. A cluster's time limits are added up before anything is
    queued; otherwise no further trial starts once so much was used."""


class Grid(Searching):
    """Every combination."""

    strategy: Literal["grid"]


class Zip(Searching):
    """The first values of all axes, then the second, ..."""

    strategy: Literal["zip"]


class Listed(Searching):
    """Explicit points, each with the keys of its own; axes multiply them."""

    strategy: Literal["list"]
    points: tuple[dict[str, Any], ...] = Field(strict=False)


class Random(Searching):
    """Points drawn at random, none twice."""

    strategy: Literal["random"]
    trials: Positive
    seed: int = Field(ge=0)


class Asynchronous(Searching):
    """Workers that ask for points, train, and tell, until `trials` are done."""

    trials: Positive
    workers: Positive
    """At once; on this machine as many as accelerators at most."""

    seed: int = Field(ge=0)
    metric: str
    """What is judged: `loss`, the mean over the last steps, or a key of the record's `results`."""

    direction: Literal["minimize", "maximize"]


class Tpe(Asynchronous):
    """Tree-structured Parzen estimator (Optuna)."""

    strategy: Literal["tpe"]
    startup_trials: Positive
    """Drawn at random first."""


class Asha(Asynchronous):
    """Asynchronous successive halving (Optuna): of each rung, the best `1/reduction` go on."""

    strategy: Literal["asha"]
    min_steps: Positive
    """Steps before the first judgement."""

    reduction: int = Field(ge=2)


Search = Annotated[Grid | Zip | Listed | Random | Tpe | Asha, Field(discriminator="strategy")]
