"""Words of `ls`: filters, keys and the order of values."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.config.errors import Problem
from ftcore.listing.query import Filter, contains, equal, filters, order, ordered, resolve, shown

KEYS = ("id", "name", "tags", "config.lr", "config.optim.lr", "config.nodes", "launch.nodes", "choices.model",
        "config.model.name", "config.export.dtype", "config.precision.dtype", "results.final_loss",
        "config.data.micro_batch_size")  # fmt: skip

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
VALUES = st.one_of(SCALARS, st.lists(st.text(max_size=4), max_size=3))


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("lr", "config.lr"),
        ("optim.lr", "config.optim.lr"),
        ("config.lr", "config.lr"),
        ("nodes", "config.nodes"),
        ("launch.nodes", "launch.nodes"),
        ("model", "choices.model"),
        ("loss", "results.final_loss"),
        ("final_loss", "results.final_loss"),
        ("tag", "tags"),
        ("run", "id"),
        ("micro_batch_size", "config.data.micro_batch_size"),
    ],
)
def test_key_as_it_is_typed(word, key):
    """Keys are found whole, as in the configuration, by a short name, or by an ending of one key only."""
    assert resolve(word, KEYS) == key


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("optim.lrr", "did you mean optim.lr?"),
        ("los", "did you mean loss?"),
        ("dtype", "config.export.dtype, config.precision.dtype"),
        ("", "no run has such a key"),
        ("x" * 1000, "no run has such a key"),
    ],
)
def test_wrong_key(word, told):
    """A key that no run has, and one that is two, are told with what they may have meant."""
    problem = resolve(word, KEYS)
    assert isinstance(problem, Problem) and told in str(problem) and len(str(problem)) < 500


def test_known_before_any_run_has_it():
    """A short name is right also where no run has got so far."""
    assert resolve("loss", ()) == "results.final_loss"


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("lr=1e-4", ("lr", "=", "1e-4")),
        ("lr==1e-4", ("lr", "=", "1e-4")),
        ("lr!=1e-4", ("lr", "!=", "1e-4")),
        ("lr>=1e-4", ("lr", ">=", "1e-4")),
        ("lr < 1", ("lr", "<", "1")),
        ("note~a=b", ("note", "~", "a=b")),
        ("name=", ("name", "=", "")),
        ("名=试", ("名", "=", "试")),
        ("environment.packages.hydra-core=1.3.8", ("environment.packages.hydra-core", "=", "1.3.8")),
    ],
)
def test_filter(word, parts):
    """A filter is a key, an operator and the rest."""
    assert filters([word]) == ([Filter(*parts)], [])


@pytest.mark.parametrize("word", ["", "quickstart", "=1", "<", "~x", "\n"])
def test_no_filter(word):
    """What states no condition is told, with how one is stated."""
    found, problems = filters([word])
    assert found == [] and "KEY=VALUE" in str(problems[0])


def test_every_wrong_word_is_told():
    """Wrong words do not hide each other."""
    assert len(filters(["a", "lr=1", "b"])[1]) == 2


@pytest.mark.parametrize(
    ("value", "operator", "text", "accepted"),
    [
        (0.0001, "=", "1e-4", True),
        (16, "=", "16.0", True),
        (16, "=", "", False),
        (9, "<", "10", True),
        (None, "<", "10", False),
        (None, ">", "10", False),
        (None, "!=", "10", True),
        (None, "=", "null", True),
        (None, "=", "", True),
        (True, "=", "true", True),
        (True, "=", "false", False),
        ("failed", "=", "failed", True),
        ("failed", "=", "fail", False),
        ("failed", "~", "AIL", True),
        ("10", "<", "9", False),
        ("x", ">", "5", False),
        (["good", "old"], "=", "good", True),
        (["good", "old"], "!=", "good", False),
        (["good", "old"], "=", "[good,old]", True),
        (["good"], "~", "oo", True),
        ([], "=", "[]", True),
        (["good"], "<", "z", False),
        (math.nan, "<", "1", False),
        (math.nan, ">=", "nan", False),
        ("2026-11-24T06:00:00+00:00", ">", "2026-11-23", True),
        ("2026-11-24T06:00:00+08:00", "<", "2026-11-23T23:00:00+00:00", True),
        ("2026-11-24T06:00:00+00:00", "~", "2026-11-24", True),
        ("2026-99-99", "<", "2026-11-24", False),
    ],
)
def test_accepts(value, operator, text, accepted):
    """Numbers compare as numbers, times as moments, what is missing with nothing."""
    assert Filter("key", operator, text).accepts(value) is accepted


def test_number_against_text():
    """Asking for less than a word, of numbers, is a mistake and no empty list."""
    assert "abc" in str(Filter("lr", "<", "abc").problem([1.0, None]))
    assert Filter("lr", "<", "1").problem([1.0]) is None
    assert Filter("name", "<", "abc").problem(["x"]) is None
    assert Filter("lr", "=", "abc").problem([1.0]) is None


@given(st.text(max_size=20))
def test_any_word_is_a_filter_or_told(word):
    """Whatever is typed is one or the other."""
    found, problems = filters([word])
    assert len(found) + len(problems) == 1


@given(st.sampled_from(["=", "!=", "<", ">", "<=", ">=", "~"]), st.text(max_size=8), VALUES)
def test_any_filter_of_any_value(operator, text, value):
    """No condition on no value fails, and != is never what = is."""
    accepted = Filter("key", operator, text).accepts(value)
    assert isinstance(accepted, bool)
    assert Filter("key", "=", text).accepts(value) is not Filter("key", "!=", text).accepts(value)


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.text(min_size=1, max_size=8)))
def test_a_value_equals_itself_as_shown(value):
    """What a table shows can be typed as a filter."""
    assert equal(value, shown(value)) and contains(value, shown(value))


@given(st.lists(VALUES, max_size=12), st.booleans())
def test_order_of_anything(values, descending):
    """Any values are sorted: none lost, missing ones last either way, equal ones as before."""
    places = ordered(values, descending)
    assert sorted(places) == list(range(len(values)))
    found = [values[place] for place in places]
    there = [value for value in found if value is not None]
    assert found[len(there) :] == [None] * (len(values) - len(there))
    keys = [order(value) for value in there]
    assert keys == sorted(keys, reverse=descending)
    twins = [(a, b) for a, b, k, m in zip(places, places[1:], keys, keys[1:], strict=False) if k == m]
    assert all(a < b for a, b in twins)


@given(st.lists(st.floats(allow_nan=False), max_size=8))
def test_numbers_sort_as_numbers(values):
    """Not as text."""
    assert [values[place] for place in ordered(values)] == sorted(values)


def test_nan_is_after_numbers():
    """A loss that is no number is neither the best nor the worst in between."""
    assert ordered([math.nan, 2.0, None, math.inf]) == [1, 3, 0, 2]


@given(VALUES)
def test_shown_is_text(value):
    """Every value can be shown."""
    assert isinstance(shown(value), str)
    json.dumps(shown(value))
