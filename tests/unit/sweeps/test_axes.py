"""What `-m` varies is what Hydra's own sweeper would, and everything else is refused with a reason."""

import itertools

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.config.compose import hydra_configs
from ftcore.sweeps.axes import Axis, split

GROUPS = {"lora": ("full", "lora", "qlora"), "precision": ("bf16", "fp32")}

WORDS = st.text("abcxyz_", min_size=1, max_size=6).filter(lambda word: word not in ("inf", "nan"))
ELEMENTS = st.recursive(
    st.integers(-1000, 1000).map(str)
    | st.floats(-10, 10).map(repr)
    | st.sampled_from(["true", "false", "null"])
    | WORDS
    | st.text("ab ,=:{}[]试验", min_size=1, max_size=8).map(lambda text: f"'{text}'"),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(WORDS, inner, min_size=1, max_size=2).map(
            lambda items: "{" + ",".join(f"{key}:{value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=5,
)
MANY = st.lists(ELEMENTS, min_size=2, max_size=4).map(",".join)
WHOLE_RANGES = st.builds(
    lambda start, count, step: f"range({start},{start + count * step},{step})",
    st.integers(-20, 20),
    st.integers(1, 6),
    st.integers(-3, 3).filter(bool),
)
FRACTIONS = st.builds(
    lambda count, step: f"range(0,{count * step},{step})", st.integers(1, 5), st.floats(0.01, 2)
)
RANGES = WHOLE_RANGES | FRACTIONS
NUMBERS = st.lists(st.integers(-50, 50), min_size=2, max_size=5, unique=True).map(
    lambda n: ",".join(map(str, n))
)
SWEPT = (
    MANY
    | RANGES
    | MANY.map(lambda many: f"choice({many})")
    | ELEMENTS.map(lambda one: f"choice({one})")
    | NUMBERS.map(lambda many: f"sort({many})")
    | NUMBERS.map(lambda many: f"sort({many},reverse=true)")
    | RANGES.map(lambda one: f"sort({one})")
    | NUMBERS.map(lambda many: f"tag(a,b,choice({many}))")
    | NUMBERS.map(lambda many: f"str({many})")
    | NUMBERS.map(lambda many: f"float({many})")
)
LINES = st.dictionaries(
    st.sampled_from(["lr", "data.path", "optim.betas"]),
    st.tuples(st.sampled_from(["", "+", "++"]), SWEPT),
    min_size=1,
    max_size=3,
).map(lambda line: [f"{prefix}{key}={value}" for key, (prefix, value) in line.items()])


def hydras(words: list[str]) -> list[list[str]] | None:
    """The trials of Hydra's own sweeper; None where a value comes twice, which it would train twice."""
    parsed = OverridesParser.create().parse_overrides(words)
    trials = BasicSweeper.split_arguments(parsed, None)[0]
    return trials if len({tuple(trial) for trial in trials}) == len(trials) else None


def ours(axes: list[Axis]) -> list[list[str]]:
    """Every combination, the last axis the fastest."""
    each = [[axis.word(number) for number in range(len(axis.values))] for axis in axes]
    return [list(trial) for trial in itertools.product(*each)]


@settings(max_examples=150, deadline=None)
@given(LINES)
def test_what_hydra_would_sweep_over(words):
    """The same overrides in the same order, for every form of the grammar that lists its values; what would
    be trained twice is refused instead."""
    try:
        expected = hydras([*words, "seed=3"])
    except HydraException:  # `choice(1,null)`: left for whoever reads overrides to complain of
        assert set(split(words, GROUPS)[0]) <= set(words) and split(words, GROUPS)[0]
        return
    fixed, axes, problems = split([*words, "seed=3"], GROUPS)
    if expected is None:
        assert problems and all("given twice" in problem.message for problem in problems)
        return
    assert not problems and fixed == ["seed=3"]
    assert [[*trial, "seed=3"] for trial in ours(axes)] == expected


def test_globs_are_those_of_hydra():
    """A glob chooses among the files of a group as Hydra's loader finds them, without those left out."""
    with hydra_configs(None) as groups:
        _, (axis,), problems = split(["lora=glob(*,exclude=q*)"], groups)
        _, (several,), _ = split(["parallelism=glob([zero?,ddp],exclude=[zero1])"], groups)
    assert not problems and axis.group and axis.texts == ("full", "lora")
    assert several.texts == ("ddp", "zero2", "zero3")


@pytest.mark.parametrize("word", ["seed=shuffle(range(0,40))", "seed=shuffle(1,2,3,4,5,6,7,8,9)"])
def test_shuffled_values_go_with_their_words(word):
    """Each shuffle has another order: what an axis says that it takes is in the order that it takes it in."""
    _, (axis,), _ = split([word], {})
    assert [f"seed={value}" for value in axis.values] == [axis.word(n) for n in range(len(axis.values))]
    assert len(set(axis.values)) == len(axis.values)


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("data.path='a b',\"c,d\"", ["a b", "c,d"]),
        ("name=试验,b", ["试验", "b"]),
        ("name='试,验',实验", ["试,验", "实验"]),
        ("optim.betas=[0.9,0.99],[0.8,'x']", [[0.9, 0.99], [0.8, "x"]]),
        ("x={a:{b:'c d'}},{a:[1,null]}", [{"a": {"b": "c d"}}, {"a": [1, None]}]),
        ("seed=range(5,0,-2)", [5, 3, 1]),
        ("lr=range(0.25,1,0.25)", [0.25, 0.5, 0.75]),
        ("seed=range(3)", [0, 1, 2]),
        ("data.packing=true,false,null", [True, False, None]),
        ("lora='lora',full", ["lora", "full"]),
    ],
)  # fmt: skip
def test_values_are_plain(word, values):
    """Values are data that JSON has, as the sweep's file keeps them: no quotes, no types of a parser."""
    _, (axis,), problems = split([word], GROUPS)
    assert not problems
    assert list(axis.values) == values
    assert all(type(value) in (str, int, float, bool, list, dict, type(None)) for value in axis.values)


@pytest.mark.parametrize(
    ("word", "low", "high", "log", "whole"),
    [
        ("lr=interval(1e-5,1e-3)", 1e-5, 1e-3, False, False),
        ("lr=tag(log,interval(1e-5,1e-3))", 1e-5, 1e-3, True, False),
        ("rank=int(interval(4,64))", 4, 64, False, True),
        ("rank=interval(4,64)", 4, 64, False, False),
    ],
)
def test_intervals(word, low, high, log, whole):
    """An interval has bounds instead of values; whole numbers are drawn where it says so."""
    _, (axis,), problems = split([word], {})
    assert not problems and axis.values == ()
    found = axis.interval
    assert (found.low, found.high, found.log, found.whole) == (low, high, log, whole)


WRONG = {
    "lora=lora,foo": ("lora", "no choice named 'foo'"),
    "lora=lora,1": ("lora", "no choice named '1'"),
    "lora=[lora],full": ("lora", "no choice named"),
    "lora=glob(zz*)": ("lora", "no choice matches"),
    "lr=glob(*)": ("lr", "a glob chooses among a config group's files"),
    "lora=interval(1,2)": ("lora", "an interval needs two finite numbers"),
    "lr=interval(2,1)": ("lr", "the smaller one first"),
    "lr=interval(1,1)": ("lr", "the smaller one first"),
    "lr=interval(0,inf)": ("lr", "finite"),
    "lr=tag(log,interval(0,1))": ("lr", "begins above 0"),
    "lr=1e-4,1e-4": ("lr", "given twice: 0.0001"),
    "lr=1e-4,1.0e-4": ("lr", "given twice: 0.0001"),
    "seed=range(0,10000000)": ("seed", "10000000 values"),
    "seed=range(0,inf)": ("seed", "without an end"),
    "lr=range(0,1,1e-9)": ("lr", "values"),
    "seed=range(0,5,0)": ("seed", "without an end"),
    "seed=range(5,0)": ("seed", "has no value"),
    "seed=shuffle(range(0,10000000))": ("seed", "10000000 values"),
    "lr@x=1,2": ("lr@x", "place is fixed"),
    "lora@x=lora,full": ("lora@x", "place is fixed"),
    "hydra.verbose=true,false": ("hydra.verbose", "Hydra composes"),
    "hydra/launcher=a,b": ("hydra/launcher", "Hydra composes"),
}  # fmt: skip


@pytest.mark.parametrize("word", WRONG)
def test_wrong_axis(word):
    """One wrong axis is one problem under its key, told before a value of it is made."""
    key, message = WRONG[word]
    _, axes, problems = split([word], GROUPS)
    assert not axes and [problem.key for problem in problems] == [key]
    assert message in problems[0].message


def test_twice():
    """A key that is swept twice is told, whatever stands before it."""
    _, axes, problems = split(["lr=1,2", "++lr=3,4"], {})
    assert len(axes) == 1 and [str(problem) for problem in problems] == ["lr: is swept twice"]


@pytest.mark.parametrize("word", ["lr=1,2,", "lr=choice()", "lr=range()", "lr=range(1,a)", "=1,2", "lr=1,2)"])
def test_no_override_is_left_to_others(word):
    """What Hydra's grammar has no place for stays with the words whose reader complains of it."""
    assert split([word], {}) == ([word], [], [])
