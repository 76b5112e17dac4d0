"""Which combinations each strategy goes through, in which order, and how many."""

import itertools
import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from ftcore.config.schema.search import Search
from ftcore.sweeps.axes import Axis, Interval, split
from ftcore.sweeps.points import count, points, text, wrong

COMMON = {"axes": {}, "skip": [], "max_trials": 1000, "max_accelerator_hours": None}
SEARCH: TypeAdapter[Search] = TypeAdapter(Search)

AXES = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5), min_size=1).map(
    lambda lengths: [listed(key, length) for key, length in lengths.items()]
)
SPANS = st.tuples(st.floats(1e-6, 1), st.floats(1.1, 1000), st.booleans()).map(
    lambda span: Interval(span[0], span[0] * span[1], span[2], False)
)


def search(strategy: str, **keys) -> Search:
    """A strategy as its file would have it."""
    return SEARCH.validate_python({**COMMON, "strategy": strategy, **keys})


def listed(key: str, length: int) -> Axis:
    """An axis of the numbers below `length`."""
    return Axis(key, "", False, tuple(range(length)), tuple(map(str, range(length))))


def axes_of(*words: str) -> list[Axis]:
    """What command line words sweep over."""
    _, axes, problems = split(words, {})
    assert not problems
    return axes


@given(AXES)
def test_grid_is_every_combination_once(axes):
    """All combinations in the order of the keys, the last one the fastest, none twice, as many as counted."""
    found = list(points(axes, search("grid")))
    assert found == sorted(itertools.product(*([f"{a.key}={v}" for v in a.values] for a in axes)),
                           key=lambda point: [int(word.partition("=")[2]) for word in point])  # fmt: skip
    assert len(set(found)) == len(found) == count(axes, search("grid"))


@given(st.lists(st.sampled_from("abcd"), min_size=1, unique=True), st.integers(1, 6))
def test_zip_pairs(keys, length):
    """The first values of all axes, then the second, ..."""
    axes = [listed(key, length) for key in keys]
    found = list(points(axes, search("zip")))
    assert found == [tuple(f"{key}={number}" for key in keys) for number in range(length)]
    assert len(found) == count(axes, search("zip")) and not wrong(axes, search("zip"))


def test_zip_of_unequal_lengths():
    """Nothing is paired with nothing, or left out in silence."""
    (problem,) = wrong(axes_of("a=1,2", "b=1,2,3"), search("zip"))
    assert (problem.key, problem.message) == ("search", "zip pairs values, and a has 2, b has 3")


def test_explicit_points_with_keys_of_their_own():
    """Each point has its own keys; axes multiply all of them."""
    given_points = [{"lora": "lora", "rank": 8}, {"lora": "full"}]
    asked = search("list", points=given_points)
    axes = axes_of("seed=1,2")
    assert list(points(axes, asked)) == [
        ("lora='lora'", "rank=8", "seed=1"), ("lora='lora'", "rank=8", "seed=2"),
        ("lora='full'", "seed=1"), ("lora='full'", "seed=2"),
    ]  # fmt: skip
    assert count(axes, asked) == 4 and not wrong(axes, asked)
    assert list(points([], asked)) == [("lora='lora'", "rank=8"), ("lora='full'",)]


@settings(deadline=None)
@given(AXES, st.lists(SPANS, max_size=2), st.integers(1, 40), st.integers(0, 9))
def test_random(axes, spans, trials, seed):
    """The same seed draws the same points, none twice, never more than there are, each within its bounds."""
    drawn = [*axes, *(Axis(f"x{i}", "", False, interval=span) for i, span in enumerate(spans))]
    asked = search("random", trials=trials, seed=seed)
    found = list(points(drawn, asked))
    assert found == list(points(drawn, asked))
    assert len(set(found)) == len(found) <= count(drawn, asked) == trials
    if spans:
        assert len(found) == trials
    allowed = [{f"{axis.key}={value}" for value in axis.values} for axis in axes]
    for point in found:
        assert all(word in words for word, words in zip(point, allowed, strict=False))
        for span, word in zip(spans, point[len(axes) :], strict=True):
            value = float(word.partition("=")[2])
            assert span.low <= value <= span.high


def test_all_points_of_a_small_space():
    """More draws than there are points give all of them and end."""
    found = list(points(axes_of("a=1,2,3", "b=1,2"), search("random", trials=500, seed=0)))
    assert len(found) == 6


def test_another_seed_draws_other_points():
    """A seed that changed nothing would be a trap."""
    axes = axes_of("lr=interval(0.0,1.0)")
    first, second = (list(points(axes, search("random", trials=5, seed=seed))) for seed in (0, 1))
    assert not set(first) & set(second)


def test_logarithmic_draws_are_even_among_the_magnitudes():
    """Of 1e-6 to 1 each decade gets about a sixth; evenly drawn, nine tenths would be in the last."""
    axes = axes_of("lr=tag(log,interval(1e-6,1.0))")
    found = [float(word[3:]) for (word,) in points(axes, search("random", trials=600, seed=1))]
    decades = [sum(math.floor(math.log10(value)) == decade for value in found) for decade in range(-6, 0)]
    assert sum(decades) == 600 and all(60 < number < 140 for number in decades)


def test_whole_numbers_reach_both_bounds():
    """`int(interval(4,8))` draws 4, 8 and nothing but whole numbers."""
    found = list(points(axes_of("rank=int(interval(4,8))"), search("random", trials=50, seed=0)))
    assert {word for (word,) in found} == {f"rank={number}" for number in range(4, 9)}


def test_whole_numbers_are_even_among_the_magnitudes_too():
    """`tag(log,int(interval(1,1000)))` says log, and is drawn so."""
    axes = axes_of("rank=tag(log,int(interval(1,1000000)))")
    found = [int(word.partition("=")[2]) for (word,) in points(axes, search("random", trials=100, seed=0))]
    assert sum(value < 1000 for value in found) > 20
    assert all(1 <= value <= 1000000 for value in found)


@pytest.mark.parametrize("strategy", ["grid", "zip", "list"])
def test_interval_needs_a_search_that_draws(strategy):
    """An interval has no next value."""
    keys = {"points": [{"seed": 1}]} if strategy == "list" else {}
    problems = wrong(axes_of("lr=interval(0.1,0.2)"), search(strategy, **keys))
    assert [(problem.key, problem.allowed) for problem in problems] == [("lr", "search=random, tpe or asha")]


@pytest.mark.parametrize("strategy", ["grid", "zip", "random"])
def test_nothing_swept(strategy):
    """`-m` without anything to vary is a mistake."""
    keys = {"trials": 3, "seed": 0} if strategy == "random" else {}
    assert [problem.message for problem in wrong([], search(strategy, **keys))] == ["nothing is swept"]


def test_cap():
    """One trial more than search.max_trials is refused, before one of them is made."""
    axes = axes_of("a=range(0,10)", "b=range(0,100)")
    assert not wrong(axes, search("grid"))
    (problem,) = wrong([*axes_of("c=1,2"), *axes], search("grid"))
    assert problem.message == "2000 trials" and "1000" in problem.allowed
    huge = [Axis(str(n), "", False, tuple(range(9999)), ("0",) * 9999) for n in range(9)]
    assert wrong(huge, search("grid"))


def test_the_same_point_twice():
    """As with an axis's values: nobody means to train it twice."""
    problems = wrong([], search("list", points=[{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.1}]))
    assert [str(problem) for problem in problems] == ["search.points: given twice: {lr:0.1}"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("abc_", min_size=1, max_size=4), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_values_as_words(value):
    """What a point's value is written as is read back as that value."""
    override = OverridesParser.create().parse_override(f"x={text(value)}")
    assert override.value() == value and type(override.value()) is type(value)
