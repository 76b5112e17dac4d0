"""Rendered text is Python that means the same data."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.config.compose import compose
from ftcore.config.xtuner import build, render

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
KEYS = st.sampled_from(["type", "class", "None", "a b", "x.y", "名", "", "print", "0"]) | st.text(max_size=5)
NESTED = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=30)


def run(text: str) -> dict:
    """The names that a file of `text` defines."""
    namespace: dict = {}
    exec(compile(text, "config.py", "exec"), namespace)
    namespace.pop("__builtins__")
    return namespace


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["model", "hooks", "x"]), NESTED), st.text())
def test_same_data(config, header):
    """Any nested literals come back from the text, under any header."""
    assert run(render(config, header)) == config


def test_header_cannot_become_code():
    """A header with line ends of every kind, or null bytes, stays a comment."""
    header = "\0" + "\n".join(
        f"a{end}x = 1" for end in ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028")
    )
    assert run(render({}, header)) == {}


@pytest.mark.parametrize(
    "text", ["{{ fileBasename }}", "{{$HOME:x}}", "{{'$HOME:'}}", "{{ _base_.a }}", "{{{file}}}"]
)
def test_no_text_is_a_variable(text):
    """What mmengine would replace in a file's text is written so that it cannot."""
    rendered = render({"x": text}, text)
    assert run(rendered) == {"x": text}
    assert not re.search(r"\{\{[\s'\"]*(\$|file|_base_)", rendered)


def test_long_values_are_broken_up():
    """No line of a configuration is long but for what cannot be broken: one text."""
    text = render(build(compose([]).experiment))
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("value", [{"type": "a" * 120, "class": 1}, [["b" * 120], {"x y": 1}]])
def test_wide_values_keep_their_keys(value):
    """Values too wide for a line keep keys that are no Python names."""
    assert run(render({"x": value})) == {"x": value}


@pytest.mark.parametrize(
    "overrides",
    [
        ["max_steps=1", "optim.warmup_ratio=0.6"],
        ["optim.warmup_ratio=1"],
        ["optim.warmup_ratio=0"],
        ["max_steps=10", "optim.warmup_ratio=0"],
        ["optim.schedule=constant"],
        ["optim.schedule=linear", "max_steps=3"],
    ],
)
def test_schedule_parts_have_a_length(overrides):
    """Every scheduler ends after it begins, as mmengine demands, and together they leave no gap."""
    parts = build(compose(overrides).experiment)["param_scheduler"]
    assert all(part["begin"] < part["end"] for part in parts)
    assert all(a["end"] == b["begin"] for a, b in pairwise(parts))
