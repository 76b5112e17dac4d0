"""Axes as Optuna has them, points as they come out of it, a journal that a crash cannot break."""

import math

import pytest
from optuna.trial import TrialState

from ftcore.config import overrides as grammar
from ftcore.config.schema.search import Asha, Tpe
from ftcore.sweeps.axes import axis
from ftcore.sweeps.study import FILE, Study, distribution, point

COMMON = {
    "axes": {}, "skip": (), "max_trials": 100, "max_accelerator_hours": None, "trials": 9,
    "workers": 2, "seed": 3, "metric": "loss", "direction": "minimize",
}  # fmt: skip
ASHA = Asha(strategy="asha", min_steps=3, reduction=3, **COMMON)
TPE = Tpe(strategy="tpe", startup_trials=3, **COMMON)
SWEPT = ("lr=0.1,1e-5,2", "rank=8,16", "name='a b','c,d',null", "+model=x,y", "++data.path='it\\'s',b")


def axes(*words: str):
    return [axis(grammar.parse_one(word), {"model": ("x", "y")}) for word in words]


def test_choices_come_back_as_typed():
    """Each value of an axis goes into Optuna as text and comes out as the override that gives that value."""
    for one in axes(*SWEPT):
        for text, value in zip(distribution(one).choices, one.values, strict=True):
            (word,) = point({one.key: text}, [one])
            again = grammar.parse_one(word)
            assert again.key_or_group == one.key and again.value() == value, word


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("lr=interval(0.001,0.1)", "FloatDistribution(high=0.1, log=False, low=0.001, step=None)"),
        ("lr=tag(log,interval(1e-5,1e-1))", "FloatDistribution(high=0.1, log=True, low=1e-05, step=None)"),
        ("rank=int(interval(4,64))", "IntDistribution(high=64, log=False, low=4, step=1)"),
        ("rank=tag(log,int(interval(4,64)))", "IntDistribution(high=64, log=True, low=4, step=1)"),
    ],
)
def test_intervals(word, kind, tmp_path):
    """An interval of whole numbers gives whole numbers; what is drawn is inside and survives the grammar."""
    (one,) = axes(word)
    assert str(distribution(one)) == kind
    for search in (ASHA, TPE):
        (folder := tmp_path / search.strategy).mkdir()
        study = Study(folder, search, [one])
        for _ in range(8):
            params = study.ask().params
            (text,) = point(params, [one])
            value = grammar.parse_one(text).value()
            assert value == params[one.key] and one.interval.low <= value <= one.interval.high
            assert isinstance(value, int) == one.interval.whole


def test_finite_space_is_gone_through_once(tmp_path):
    """Successive halving draws every point once, then none; whichever of two workers asks."""
    swept = axes("lr=1,2,3", "rank=4,8,16")
    workers = [Study(tmp_path, ASHA, swept), Study(tmp_path, ASHA, swept)]
    drawn = [point(workers[number % 2].ask().params, swept) for number in range(9)]
    assert len(set(drawn)) == 9 and workers[0].ask() is None
    (tmp_path / "alone").mkdir()
    alone = Study(tmp_path / "alone", ASHA, swept)
    assert [point(alone.ask().params, swept) for _ in range(9)] == drawn


def test_same_history_same_suggestions(tmp_path):
    """TPE suggests the same after the same trials, though other processes ask; another seed, other points."""
    swept = axes("lr=tag(log,interval(1e-5,1e-1))", "rank=4,8,16")

    def history(name: str, search: Tpe) -> list:
        (tmp_path / name).mkdir()
        found = []
        for _ in range(8):
            study = Study(tmp_path / name, search, swept)
            trial = study.ask()
            found.append(trial.params)
            study.tell(trial.number, TrialState.COMPLETE, abs(math.log10(trial.params["lr"]) + 3))
        return found

    first = history("first", TPE)
    assert history("second", TPE) == first
    assert history("third", TPE.model_copy(update={"seed": 4})) != first


def test_torn_line_is_taken_away(tmp_path):
    """A worker was killed while it wrote: the next one goes on as if that had not been begun."""
    study = Study(tmp_path, TPE, axes("lr=1,2"))
    study.ask()
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole + b'{"op_code":4,"worker')
    other = Study(tmp_path, TPE, axes("lr=1,2"))
    other.tell(0, TrialState.COMPLETE, 1.0)
    assert [trial.state for trial in Study(tmp_path, TPE, axes("lr=1,2")).trials()] == [TrialState.COMPLETE]
    assert (tmp_path / FILE).read_bytes().startswith(whole)


def test_told_twice(tmp_path):
    """What was told first stands; points that were left out do not count."""
    study = Study(tmp_path, TPE, axes("lr=1,2"))
    first, second = study.ask(), study.ask()
    study.tell(first.number, TrialState.COMPLETE, 1.0)
    study.tell(first.number, TrialState.FAIL, None, "late")
    study.leave_out(second.number, "as trial 0", study.trials()[0])
    assert [trial.value for trial in study.trials()] == [1.0, 1.0]
    assert study.tried() == 1


def test_falls_behind(tmp_path):
    """The first one of a rung goes on; of three the best one does."""
    study = Study(tmp_path, ASHA, axes("lr=1,2,3"))
    one, two, three = study.ask(), study.ask(), study.ask()
    assert not study.report(one, 3, 2.0)
    assert study.report(two, 3, 3.0)
    assert not study.report(three, 3, 1.0)


def test_diverged(tmp_path):
    """A loss that is no number falls behind at once, and can be told."""
    study = Study(tmp_path, ASHA, axes("lr=1,2,3"))
    one = study.ask()
    assert study.report(one, 3, math.nan)
    study.tell(one.number, TrialState.PRUNED, None, "pruned at step 3")
    (told,) = Study(tmp_path, ASHA, axes("lr=1,2,3")).trials()
    assert told.state is TrialState.PRUNED and told.user_attrs["reason"] == "pruned at step 3"
