"""Differences of paired shares and losses, and how sure they are."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.evaluation.paired import bootstrap, differences, mcnemar, newcombe
from ftcore.evaluation.scoring import wilson

COUNTS = st.tuples(*[st.integers(0, 60)] * 4).filter(any)


def test_newcombes_interval_is_the_published_one():
    """Method 10 on his table of 36, 12, 2 and 0 pairs."""
    assert newcombe(36, 12, 2, 50) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@given(COUNTS)
def test_the_interval_holds_the_difference_and_turns_with_it(counts):
    """It holds what was seen, lies between -1 and 1, and changes sign with the sides."""
    both, gained, lost, neither = counts
    of = sum(counts)
    low, high = newcombe(both, gained, lost, of)
    assert -1 <= low <= (gained - lost) / of + 1e-12 and (gained - lost) / of - 1e-12 <= high <= 1
    assert newcombe(both, lost, gained, of) == pytest.approx((-high, -low))
    assert newcombe(neither, lost, gained, of) == pytest.approx((-high, -low))


def test_the_interval_covers_as_often_as_it_says():
    """Of 1,500 made-up evaluations of 60 cases, about 95 in 100 intervals hold the truth."""
    dice = np.random.default_rng(0)
    for chances in ([0.3, 0.2, 0.1, 0.4], [0.05, 0.6, 0.02, 0.33], [0.9, 0.05, 0.02, 0.03]):
        truth, held = chances[1] - chances[2], 0
        for both, gained, lost, _ in dice.multinomial(60, chances, size=500):
            low, high = newcombe(int(both), int(gained), int(lost), 60)
            held += low <= truth <= high
        assert 0.92 <= held / 500 <= 0.99


def test_where_nothing_changed_the_difference_may_still_be_something():
    """Thirty-two cases that stayed as they were leave room for 10 points either way."""
    low, high = newcombe(0, 0, 0, 32)
    assert low == -high and high == pytest.approx(wilson(0, 32)[1])


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [(0, 0, 1.0), (5, 0, 0.0625), (0, 5, 0.0625), (8, 2, 0.109375), (3, 3, 1.0), (1, 0, 1.0), (2000, 0, 0.0)],
)
def test_mcnemars_p_is_the_binomials(gained, lost, p):
    """Two-sided, exact, by hand; never over 1."""
    assert mcnemar(gained, lost) == pytest.approx(p)


def test_measures_are_compared_where_both_have_them():
    """A case without a verdict on a measure is none of it; gained and lost are counted apart."""
    base = [{"form": True, "tool": False}, {"form": False}, {"form": True, "tool": True}]
    tuned = [{"form": True, "tool": True}, {"form": True}, {"form": False, "tool": True}]
    found = differences(base, tuned)
    assert found["form"] | {"low": 0, "high": 0} == {
        "difference": 0.0, "low": 0, "high": 0, "p": 1.0, "gained": 1, "lost": 1, "of": 3,
    }  # fmt: skip
    assert (found["tool"]["difference"], found["tool"]["of"]) == (0.5, 2)
    assert differences([], []) == {}


def test_the_bootstrap_is_paired_seeded_and_right():
    """The same seed gives the same ends; what both sides have in common does not widen the difference."""
    dice = random.Random(1)
    base = [dice.gauss(300, 40) for _ in range(60)]
    tuned = [one + 10 + dice.gauss(0, 1) for one in base]
    found = bootstrap(base, tuned, [100] * 60, seed=5)
    assert found == bootstrap(base, tuned, [100] * 60, seed=5)
    assert found != bootstrap(base, tuned, [100] * 60, seed=6)
    low, high = found["difference"]
    assert low < 0.1 < high and high - low < 0.01 < found["base"][1] - found["base"][0]
    # The standard error of a mean, for which a bootstrap stands in.
    half = 1.96 * np.std(base) / 60**0.5 / 100
    assert found["base"][1] - found["base"][0] == pytest.approx(2 * half, rel=0.05)
