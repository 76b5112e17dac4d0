"""Flat records, their columns, and the text of these."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.listing.columns import Growing, Unreadable, encode, from_text, to_text
from ftcore.runs.flat import flat

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=3)
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=2))
ROWS = st.lists(st.dictionaries(st.sampled_from("abcd"), VALUES), max_size=8)


def text_of(rows):
    growing = Growing()
    for start in range(0, len(rows), 3):
        growing.add(rows[start : start + 3])
    paths, stamps = [f"x/{n}" for n in range(len(rows))], [(n, n, n) for n in range(len(rows))]
    return to_text(growing.columns.items(), paths, stamps)


@given(ROWS)
def test_back_again(rows):
    """Columns read back have the same values of the same types; a key that a row lacks is None."""
    columns = from_text(text_of(rows))
    for key in {key for row in rows for key in row} | {"no such key"}:
        found = columns.values(key)
        assert repr(found) == repr([row.get(key) for row in rows])
    assert columns.stamps == [(n, n, n) for n in range(len(rows))]


def test_equal_is_not_the_same():
    """1, 1.0 and True stay what they are."""
    assert repr(encode([1, 1.0, True, 1]).values(4)) == "[1, 1.0, True, 1]"


@given(st.data())
def test_spoilt_text(data):
    """Any cut or changed byte is noticed, wherever it is."""
    text = text_of([{"a": 1, "b": "试"}, {"a": 2}])
    at = data.draw(st.integers(0, len(text) - 1))
    if data.draw(st.booleans()):
        spoilt = text[:at]
    else:
        spoilt = text[:at] + bytes([text[at] ^ data.draw(st.integers(1, 255))]) + text[at + 1 :]
    try:
        columns = from_text(spoilt)
    except Unreadable:
        return
    # A changed key of the first line, which is not summed up, names a column that nobody asks for.
    assert columns.paths == ["x/0", "x/1"]


@pytest.mark.parametrize("text", [b"", b"\n", b"{}", b"[]\n", b'{"version": 2}\n', b"\xff\n\xff", b"null\n"])
def test_no_index(text):
    """What is no index at all is told so."""
    with pytest.raises(Unreadable):
        from_text(text)


def test_flat():
    """Mappings are dotted, lists of entries counted or by name, the newest attempt has keys of its own."""
    record = {
        "a": {"b": {"c": 1}, "empty": {}},
        "tags": ["x"],
        "attempts": [{"state": "failed"}, {"state": "running", "nodes": ["n"]}],
        "stages": [{"name": "train", "seconds": 2.0}],
        "error": {"traceback": "long", "message": "m"},
    }
    assert flat(record) == {
        "a.b.c": 1, "tags": ["x"], "attempts": 2, "attempt.state": "running", "attempt.nodes": ["n"],
        "stages": 1, "stages.train.seconds": 2.0, "error.message": "m",
    }  # fmt: skip


TREES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6
)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), TREES, max_size=3), max_size=6))
def test_memory_changes_nothing(records):
    """What is remembered of the record before is never taken for this one's."""
    memory = {}
    assert [flat(one, memory) for one in records] == [flat(one) for one in records]


@given(
    st.dictionaries(
        st.text(max_size=3), st.one_of(VALUES, st.lists(st.lists(SCALARS, max_size=2), max_size=2))
    )
)
def test_any_object_is_flat(record):
    """Whatever stands in a record of somebody's making, it becomes plain values."""
    assert all(not isinstance(value, dict) for value in flat(record).values())
