"""Which keys matter: known answers on grids, and what holds of any."""

import math
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.sweeps import importance as module
from ftcore.sweeps.importance import EXACT, MEANS, balanced, importance, levels

GRID = [
    {"lr": lr, "rank": rank, "data": data} for lr, rank, data in product((1, 2, 3), (8, 16), ("甲", "乙"))
]


@pytest.fixture
def without_optuna(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)


@given(st.permutations(["lr", "rank", "data"]), st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
def test_one_key_alone_is_all_of_it(keys, offset, factor):
    """A result that one key decides gives it 1 and the others 0, whatever its scale."""
    key, values = keys[0], {1: 0.0, 2: 1.0, 3: 5.0, 8: 0.0, 16: 1.0, "甲": 0.0, "乙": 1.0}
    found = importance(GRID, [offset + factor * values[point[key]] for point in GRID])
    shares = dict(found.shares)
    assert found.method == EXACT and found.shares[0][0] == key
    assert shares[key] == pytest.approx(1, abs=1e-6)
    assert all(shares[other] == pytest.approx(0, abs=1e-6) for other in keys[1:])


@given(st.lists(st.floats(-100, 100), min_size=12, max_size=12))
def test_shares_of_a_whole_grid_make_up_the_variance(results):
    """Keys, pairs and the rest are shares of one whole: none below 0, together never more than 1."""
    found = importance(GRID, results)
    if found is None:
        assert max(results) == min(results)
        return
    parts = [share for _, share in found.shares] + [share for _, share in found.pairs]
    assert all(0 <= share <= 1 for share in parts) and sum(parts) <= 1 + 1e-6
    assert found.rest == pytest.approx(1 - sum(share for _, share in found.shares), abs=1e-6)


def test_two_keys_that_act_only_together():
    """Neither explains anything by itself; the pair is all of it."""
    both = {(8, "甲"): 1, (8, "乙"): 0, (16, "甲"): 0, (16, "乙"): 1}
    found = importance(GRID, [both[point["rank"], point["data"]] for point in GRID])
    assert all(share == pytest.approx(0) for _, share in found.shares)
    assert found.pairs[0] == (("rank", "data"), pytest.approx(1))
    assert found.rest == pytest.approx(1)


def test_a_hole_in_the_grid_makes_it_an_estimate():
    """It says so, and the key that decides is still far ahead."""
    dice = random.Random(1)
    results = [point["lr"] + dice.gauss(0, 0.05) for point in GRID]
    results[5] = math.nan
    found = importance(GRID, results)
    assert found.method == MEANS and found.trials == 11
    assert found.shares[0][0] == "lr" and found.shares[0][1] > 0.95
    assert sum(share for _, share in found.shares) <= 1


def test_what_means_nothing_explains_nothing(without_optuna):
    """Of many values without an effect the means differ by chance; that is taken off."""
    dice = random.Random(2)
    points = [{"lr": dice.random(), "kind": dice.choice("abcdefgh")} for _ in range(200)]
    found = importance(points, [dice.gauss(0, 1) for _ in points])
    assert found.method == MEANS and max(share for _, share in found.shares) < 0.1


def test_a_search_is_estimated_by_optuna():
    """Where a key was drawn from a range and there are trials enough; the other way round is found too."""
    pytest.importorskip("optuna")
    dice = random.Random(3)
    points = [
        {"lr": dice.random(), "kind": dice.choice(("甲", "乙")), "on": dice.choice((True, False))}
        for _ in range(60)
    ]
    results = [point["lr"] for point in points]
    for maximize in (False, True):
        found = importance(points, results, maximize=maximize)
        assert "Optuna" in found.method and found.shares[0][0] == "lr" and found.shares[0][1] > 0.8


def test_nothing_to_explain():
    """Too few results, all the same, or a single point again and again."""
    assert importance(GRID[:2], [1, 2]) is None
    assert importance(GRID, [1.0] * 12) is None
    assert importance(GRID, [math.inf] * 12) is None
    assert importance([{"lr": 1}] * 5, [1, 2, 3, 4, 5]) is None
    assert importance([], []) is None


def test_one_that_diverged_does_not_decide_alone():
    """Results over decades are compared by their logarithms, and it is said."""
    results = [10.0 ** point["lr"] if point["rank"] == 8 else 1.1 * 10.0 ** point["lr"] for point in GRID]
    results[-1] = 1e9
    assert importance(GRID, results).logarithmic
    assert not importance(GRID, [one / 1e9 + 1 for one in results]).logarithmic


def test_balance_and_levels():
    """1 and 1.0 are one value and True is another; of many numbers stretches with equally many points."""
    assert balanced(GRID, ["lr", "rank", "data"]) and balanced(GRID * 2, ["lr", "rank", "data"])
    assert not balanced(GRID[:-1], ["lr", "rank", "data"])
    assert levels([{"k": one} for one in (1, 1.0, True, None, "1")], "k") == [0, 0, 1, 2, 3]
    many = levels([{"k": number} for number in range(100)], "k")
    assert sorted(map(many.count, set(many))) == [100 // module.PARTS] * module.PARTS
