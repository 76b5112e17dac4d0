"""The Optuna study of a search: a journal in the sweep's directory, which every worker reads and adds to.

No server: the journal is a file that only grows. A trial's number is the same here and in Optuna. What a
study suggests depends on the seed and on the trials before alone, not on which worker asks.
"""

import fcntl
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from ftcore.config.schema.search import Asha, Tpe
from ftcore.sweeps.axes import Axis
from ftcore.sweeps.points import Point

FILE, NAME = "journal.log", "search"
LEFT_OUT, REASON = "left_out", "reason"
"""Attributes of trials: why a point was not tried at all; why a trial gave no value."""

SUGGESTIONS = 10
"""Asked of TPE, which likes to come back to the best point, for one that was not tried yet."""

DRAWS = 100
"""At random for a point that was not tried yet, before all of them are gone through."""

MOST_POINTS = 100_000
"""That are gone through."""


class FileLock:
    """What the journal is written under. Optuna's own locks are files that a killed process leaves behind,
    and that others take away after half a minute; this one ends with its holder, as a run's record's does.

    A line that its writer did not get to the end of is taken away: Optuna would stumble over it for ever.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def acquire(self) -> bool:
        self._file = self._path.with_name(f".{self._path.name}.lock").open("a")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._path.open("r+b") as journal:
            journal.seek(0, 2)
            if (size := journal.tell()) and _last_byte(journal, size) != b"\n":
                journal.seek(0)
                journal.truncate(journal.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        self._file.close()


def _last_byte(journal: Any, size: int) -> bytes:
    journal.seek(size - 1)
    return journal.read(1)


class Study:
    """Points asked for, values told. Asking is for one worker at a time (`SweepDirectory`'s lock)."""

    def __init__(self, folder: Path, search: Tpe | Asha, axes: Sequence[Axis]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self._search, self._axes = search, axes
        self._distributions = {axis.key: distribution(axis) for axis in axes}
        path = folder / FILE
        backend: BaseJournalBackend = JournalFileBackend(str(path), lock_obj=FileLock(path))  # type: ignore[arg-type]
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if isinstance(search, Asha):
            pruner = optuna.pruners.SuccessiveHalvingPruner(search.min_steps, search.reduction, 0)
        self._study = optuna.create_study(
            study_name=NAME, storage=JournalStorage(backend), direction=search.direction, pruner=pruner,
            load_if_exists=True,
        )  # fmt: skip

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Those in the given states, or all, by number."""
        return self._study.get_trials(deepcopy=False, states=states or None)

    def tried(self) -> int:
        """Trials that count: under way, or with an end of their own."""
        return sum(LEFT_OUT not in trial.user_attrs for trial in self.trials())

    def ask(self, *, draw: bool = False) -> Trial | None:
        """The next trial, of a point that was not tried yet; None where all were. With `draw`, at random.

        Successive halving always draws: it is about who goes on, not about where to look.
        """
        before = self.trials()
        tried = {_values(trial.params, self._axes) for trial in before}
        rng = random.Random(f"{self._search.seed} {len(before)}")
        found = None if draw or isinstance(self._search, Asha) else self._suggested(before, tried, rng)
        found = found or self._untried(tried, rng)
        if found is None:
            return None
        self._study.sampler = optuna.samplers.PartialFixedSampler(found, optuna.samplers.RandomSampler(0))
        return self._study.ask(self._distributions)

    def again(self, number: int) -> Trial:
        """A trial that another process asked for."""
        return Trial(self._study, self.trials()[number]._trial_id)

    def report(self, trial: Trial, step: int, value: float) -> bool:
        """Tell what a trial had reached after `step`; whether it has fallen behind."""
        trial.report(value, step)
        return trial.should_prune()

    def tell(self, number: int, state: TrialState, value: float | None = None, reason: str = "") -> None:
        """The end of a trial; what was told before stands."""
        trial = self.again(number)
        if self.trials()[number].state.is_finished():
            return
        if reason:
            trial.set_user_attr(REASON, reason)
        self._study.tell(number, value if state is TrialState.COMPLETE else None, state)

    def leave_out(self, number: int, why: str, like: FrozenTrial | None = None) -> None:
        """End a trial whose point is not tried: `like` is the one that tried it before."""
        trial = self.again(number)
        trial.set_user_attr(LEFT_OUT, why)
        if like is None or like.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            self._study.tell(number, state=TrialState.FAIL)
            return
        for step, value in like.intermediate_values.items():
            trial.report(value, step)
        complete = like.state is TrialState.COMPLETE
        self._study.tell(number, like.value if complete else None, like.state)

    def _suggested(
        self, before: Sequence[FrozenTrial], tried: set[tuple[Any, ...]], rng: random.Random
    ) -> dict[str, Any] | None:
        """What TPE makes of the trials so far; asked beside the journal, which then has no point twice."""
        assert isinstance(self._search, Tpe)
        for _ in range(SUGGESTIONS):
            # Trials under way count as bad ones, so that workers do not all look in one place.
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=self._search.startup_trials, seed=rng.randrange(2**31), multivariate=True,
                constant_liar=True,
            )  # fmt: skip
            aside = optuna.create_study(sampler=sampler, direction=self._search.direction)
            aside.add_trials(before)
            params = aside.ask(self._distributions).params
            if _values(params, self._axes) not in tried:
                return params
        return None

    def _untried(self, tried: set[tuple[Any, ...]], rng: random.Random) -> dict[str, Any] | None:
        for _ in range(DRAWS):
            drawn = {axis.key: _draw(axis, rng) for axis in self._axes}
            if _values(drawn, self._axes) not in tried:
                return drawn
        left = [point for point in every_point(self._axes) if tuple(point.values()) not in tried]
        return rng.choice(left) if left else None


def point(params: Mapping[str, Any], axes: Sequence[Axis]) -> Point:
    """A trial's parameters as overrides, in the order of the axes."""
    return tuple(
        axis.word_of(params[axis.key]) if axis.interval else f"{axis.prefix}{axis.key}={params[axis.key]}"
        for axis in axes
    )


def distribution(axis: Axis) -> BaseDistribution:
    """What Optuna draws an axis from: the texts of its values, or numbers of its interval."""
    if (interval := axis.interval) is None:
        return CategoricalDistribution(axis.texts)
    if interval.whole:
        return IntDistribution(int(interval.low), int(interval.high), log=interval.log)
    return FloatDistribution(interval.low, interval.high, log=interval.log)


def every_point(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """All points of axes without intervals, where they can be gone through; otherwise none."""
    if any(axis.interval for axis in axes) or math.prod(len(axis.texts) for axis in axes) > MOST_POINTS:
        return []
    found: list[dict[str, Any]] = [{}]
    for axis in axes:
        found = [{**before, axis.key: text} for before in found for text in axis.texts]
    return found


def _values(params: Mapping[str, Any], axes: Sequence[Axis]) -> tuple[Any, ...]:
    return tuple(params.get(axis.key) for axis in axes)


def _draw(axis: Axis, rng: random.Random) -> Any:
    if (interval := axis.interval) is None:
        return rng.choice(axis.texts)
    low, high = interval.low, interval.high
    if interval.whole and not interval.log:
        return rng.randint(int(low), int(high))
    value = math.exp(rng.uniform(math.log(low), math.log(high))) if interval.log else rng.uniform(low, high)
    value = min(max(value, low), high)
    return round(value) if interval.whole else value
