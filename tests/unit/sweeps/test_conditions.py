"""Conditions say what Python would say of the same data, and nothing else can be said in them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.sweeps.conditions import WrongCondition, parse

NAMES = ["lr", "rank", "flag", "lora.alpha", "lora.targets", "optim.inner.eps"]
NUMBERS = st.integers(-5, 5) | st.floats(-5, 5, allow_nan=False)
DATA = st.fixed_dictionaries({
    "lr": NUMBERS,
    "rank": NUMBERS,
    "flag": st.booleans() | st.none(),
    "lora": st.fixed_dictionaries({
        "alpha": NUMBERS, "targets": st.lists(st.integers(-3, 3) | st.sampled_from(["q", "v"]), max_size=3),
    }),
    "optim": st.fixed_dictionaries({
        "inner": st.fixed_dictionaries({"eps": NUMBERS | st.text("qv", max_size=2)}),
    }),
})  # fmt: skip
LEAVES = (
    st.sampled_from(NAMES)
    | st.integers(0, 5).map(str)
    | st.floats(0, 5).map(repr)
    | st.sampled_from(["None", "True", "False", "'q'", "[1, 'v']", "[]"])
)
SIGNS = ["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions of expressions."""
    arithmetic = st.builds(
        "({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner
    )
    compared = st.builds("({} {} {})".format, inner, st.sampled_from(SIGNS), inner)
    chained = st.builds(
        "({} {} {} {} {})".format, inner, st.sampled_from(SIGNS), inner, st.sampled_from(SIGNS), inner
    )
    joined = st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
    absent = st.builds("({} is {}None)".format, inner, st.sampled_from(["", "not "]))
    return (
        absent
        | arithmetic
        | compared
        | chained
        | joined
        | inner.map("(not {})".format)
        | inner.map("(-{})".format)
    )


class Section(dict):
    """Data by dots, for Python's own evaluator."""

    def __getitem__(self, name: str):
        value = super().__getitem__(name)
        return Section(value) if isinstance(value, dict) else value

    __getattr__ = __getitem__


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=400, deadline=None)
@given(st.recursive(LEAVES, larger, max_leaves=8), DATA)
def test_as_python(text, data):
    """Every expression of keys, values, comparisons and arithmetic of numbers is what Python makes of it;
    where Python fails, so does this, and says so."""
    try:
        expected = bool(eval(text, {}, Section(data)))
    except (TypeError, ZeroDivisionError, OverflowError):
        with pytest.raises(WrongCondition):
            parse(text)(data)
        return
    try:
        assert parse(text)(data) is expected
    except WrongCondition as error:
        assert "is no number" in str(error)  # Python adds lists and texts


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("rank > 64 and max_length > 2048", True),
        ("rank > 64 and max_length > 4096", False),
        ("lora.method == 'qlora' or rank in [8, 128]", True),
        ("lora.path == null", True),
        ("lora.path is None", True),
        ("lora.merge == true", True),
        ("not lora.merge", False),
        ("1 < rank <= 128", True),
        ("name == '试验'", True),
    ],
)
def test_as_people_write_them(text, holds):
    """YAML's null, true and false mean what they do in the configuration."""
    lora = {"method": "lora", "path": None, "merge": True}
    assert parse(text)({"rank": 128, "max_length": 4096, "lora": lora, "name": "试验"}) is holds


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "rank >", "rank > 3; lr > 1", "rank = 3", "(rank", "import os", "rank > 3 # \n lr", "\0",
        "__import__('os').system('true')", "open('x')", "len(lora.targets) > 1", "rank.__class__()",
        "lambda: 1", "(lambda x: x)(1)", "[x for x in lora]", "{x for x in lora}", "any(x for x in lora)",
        "f'{rank}'", "f'{__import__(\"os\")}' == 'x'", "{'a': rank}", "{1, 2}", "lora['alpha']", "lora[0]",
        "rank if lr else 3", "(rank := 3)", "2 ** 999999999", "rank ** 2", "1 << 999999999", "~rank", "+rank",
        "rank @ lr", "rank & 1", "*rank", "await rank", "yield", "x" * 3 + "(" * 3,
        "(" * 5000 + "1" + ")" * 5000, "-" * 100_000 + "1", "not " * 50_000 + "1", "1" * 5000,
    ],
)  # fmt: skip
def test_nothing_else(text):
    """No calls, no code, nothing that takes long: refused when it is read, whatever the data."""
    with pytest.raises(WrongCondition):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["'a' * 9999999999 == 1", "[1] * 9999999999 == 1", "[0] * 99999 * 99999", "'%99999999999d' % rank == 1"],
)
def test_no_arithmetic_of_texts(text):
    """Texts and lists are compared; multiplied or formatted they could fill the memory."""
    with pytest.raises(WrongCondition):
        parse(text)({"rank": 1})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("rnak > 3", "rnak"),
        ("lora.alfa > 3", "lora.alfa"),
        ("rank.real > 3", "rank.real"),
        ("rank.__class__ == 3", "rank.__class__"),
        ("lora.keys == 3", "lora.keys"),
        ("__builtins__ == 3", "__builtins__"),
    ],
)
def test_unknown_key(text, key):
    """A key that no experiment has is named; attributes of values are no keys."""
    with pytest.raises(WrongCondition, match=f"no such key: {key}"):
        parse(text)({"rank": 3, "lora": {"alpha": 3}})


def test_attribute_of_a_value():
    """Only names before dots."""
    with pytest.raises(WrongCondition):
        parse("'a'.upper == 3")({"a": 1})
    with pytest.raises(WrongCondition):
        parse("(1).real == 1")({})
