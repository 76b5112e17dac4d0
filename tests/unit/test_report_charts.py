"""The report's charts and numbers: scheme-free drawings, kept spikes, short text."""

import math
import re
from xml.etree import ElementTree

import pytest

from ftcore.report import format as fmt
from ftcore.report.charts import MOST_POINTS, Pair, Series, Share, bar_chart, line_chart
from ftcore.report.curves import by_step, smoothed


def test_line_chart_is_labelled_scheme_free_svg():
    """One drawing for both colour schemes: no fixed colour, text kept as text, and a label to be spoken."""
    chart = line_chart([Series("_损失 $x$ <b>", (1, 2, 3), (3.0, 2.0, 1.5))] * 2, "Loss", "step", "loss")
    root = ElementTree.fromstring(chart)
    assert root.get("role") == "img"
    assert root.get("aria-label").startswith("Loss by step: _损失 $x$ <b> from 3 to 1.5")
    assert "_损失 $x$ <b>" in [element.text for element in root.iter("text")]
    assert not re.search(r"(fill|stroke): #", chart)
    assert "<style" not in chart and "xlink" not in chart and "DejaVu" not in chart


def test_long_series_keep_their_spikes():
    """A hundred thousand steps are thinned for the drawing, and the one bad step stays in it."""
    y = [1.0] * 100_000
    y[54_321] = 9.0
    steps = tuple(range(100_000))
    chart = line_chart([Series("loss", steps, tuple(y))], "Loss", "step", "loss")
    assert len(chart) < 60 * MOST_POINTS
    assert chart != line_chart([Series("loss", steps, (1.0,) * 100_000)], "Loss", "step", "loss")


def test_log_chart_leaves_out_what_has_no_logarithm():
    """Zero and negative values are gaps on a logarithmic axis, not errors."""
    ElementTree.fromstring(
        line_chart([Series("n", (1, 2, 3), (0.0, 10.0, 1000.0))], "n", "step", "n", log=True)
    )
    assert "no finite values" in line_chart([Series("n", (1,), (0.0,))], "n", "step", "n", log=True)


def test_series_of_unequal_length_are_refused():
    """The message names the series and both lengths."""
    with pytest.raises(ValueError, match="'loss': 2 x values against 1 y values"):
        Series("loss", (1, 2), (1.0,))


def test_bar_chart_draws_whiskers_only_where_an_interval_is_known():
    """An unmeasured side is a dash, a share without an interval is a bare bar."""
    bare = bar_chart([Pair("Right tool", Share(0.5), None)], "Before and after")
    with_interval = bar_chart([Pair("Right tool", Share(0.5, 0.2, 0.8), None)], "Before and after")
    assert with_interval.count("<path") == bare.count("<path") + 2
    assert "base 50%, tuned not measured" in bare
    assert fmt.MISSING in [element.text for element in ElementTree.fromstring(bare).iter("text")]


def test_smoothing_keeps_a_constant_and_skips_gaps():
    """The mean of a constant is that constant, also beside a NaN."""
    out = smoothed(Series("loss", tuple(range(9)), (2.0, 2.0, math.nan) * 3), "smoothed")
    assert [value for value in out.y if math.isfinite(value)] == [2.0] * 6
    assert math.isnan(out.y[2])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.83123, "0.8312"),
        (2e-4, "2e-4"),
        (0.0, "0"),
        (10.0, "10"),
        (1e7, "1e7"),
        (math.nan, "NaN"),
        (-math.inf, "-∞"),
    ],
)
def test_numbers_are_short(value, shown):
    """Four significant digits, and an exponent without padding only where it is needed."""
    assert fmt.significant(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.42, "0.4 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (1e5, "1 d 3 h"),
    ],
)
def test_durations_take_two_units(seconds, shown):
    """Seconds round before they are split, so that 59.7 s is never shown as 60 s."""
    assert fmt.duration(seconds) == shown


def test_a_resumed_step_counts_once():
    """The newest attempt's line of a step wins, and order of writing does not matter."""
    lines = by_step([{"step": 2, "loss": 9.0}, {"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}])
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 3.0), (2, 2.0)]


def test_han_text_names_its_language():
    """Kana and Hangul tell Japanese and Korean from Chinese; what needs no Han glyphs gets no lang."""
    shown = [fmt.language(one) for one in ("plain", "工具", "ツール", "도구")]
    assert shown == ["", "zh-Hans", "ja", "ko"]
