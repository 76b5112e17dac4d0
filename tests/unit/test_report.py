"""The run report: what it shows, what it escapes, and what it makes of a record with holes in it."""

import math
import re
from html.parser import HTMLParser

import pytest

from ftcore.report import render
from ftcore.report.comparison import change_of

HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)>"'&{{ 7*7 }}</pre></style>"""
SCORE = {"well_formed": True, "right_tool": True, "right_arguments": True, "refused": False}
MISS = {"well_formed": False, "right_tool": False, "right_arguments": False, "refused": True}


def measures(count):
    share = {"count": count, "total": 8, "share": count / 8, "low": 0.1, "high": 0.9}
    return dict.fromkeys(SCORE, share) | {"seconds": 12.5}


def evaluation(reply="get_weather(city='上海')", case_id="simple_1"):
    case = {
        "id": case_id,
        "category": "simple",
        "prompt": "上海天气？",
        "expected": reply,
        "base": "?",
        "tuned": reply,
    }
    return {
        "dataset": "held out",
        "base": measures(2),
        "tuned": measures(7),
        "cases": [case | {"base_score": MISS, "tuned_score": SCORE}],
        "settings": {"max_new_tokens": 64},
    }


def metrics(count=30, **changed):
    line = {
        "epoch": 0.1,
        "lr": 2e-4,
        "tokens": 512,
        "tokens_per_second": 900.0,
        "memory_gib": 3.5,
        "grad_norm": 0.7,
    }
    return [line | {"step": step, "loss": 2 / step} | changed for step in range(1, count + 1)]


def record(**changed):
    return {
        "id": "20260102-0304-abcd",
        "name": "quickstart",
        "created": "2026-01-02T03:04:05+00:00",
        "state": "completed",
        "command": "python -m ftcore lr=2e-4",
        "overrides": ["lr=2e-4"],
        "attempts": [
            {
                "number": 1,
                "started": "2026-01-02T03:04:05+00:00",
                "ended": "2026-01-02T03:09:05+00:00",
                "state": "completed",
                "reason": "all stages done",
                "nodes": ["node1"],
            },
        ],
        "stages": [{"name": "train", "state": "completed", "seconds": 250.0, "detail": "30 steps"}],
        "results": {
            "final_loss": 0.0667,
            "first_loss": 2.0,
            "tokens": 15360,
            "tokens_per_second": 880.0,
            "peak_memory_gib": 3.5,
            "steps": 30,
        },
        "artifacts": [{"path": "adapter/adapter_model.safetensors", "sha256": "ab" * 32, "bytes": 2048}],
        "environment": {"python": "3.11.7", "packages": {"torch": "2.11.0"}},
        "data": {"source": "demo", "sha256": "cd" * 32},
        "launch": {"job_id": 481516},
        "seed": 12345,
    } | changed


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text outside of style sheets."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.inside = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_data(self, data):
        if self.inside[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def test_shows_what_the_run_was_and_what_came_out():
    """Identity, key figures, files and the next commands are on the page as text."""
    seen = Tags(render(record(), metrics(), evaluation(), "lr: 2.0e-4\n")).text
    for expected in (
        "quickstart",
        "completed",
        "0.0667",
        "15.4k",
        "880",
        "3.5 GiB",
        "5 min 00 s",
        "2.0 KiB",
        "ab" * 32,
        "lr: 2.0e-4",
        "all stages done",
        "7 of 8",
        "+62 points",
        "481516",
        "12345",
        "python -m ftcore report 20260102-0304-abcd",
        "2026-01-02 03:04:05 UTC",
    ):
        assert expected in seen, expected
    # Without a lang, a browser may draw Chinese with Japanese glyphs.
    assert '<pre lang="zh-Hans">上海天气？' in render(record(), [], evaluation(), "")


def test_hostile_text_stays_text():
    """Markup in names, replies, configs and errors is shown and never becomes an element or an attribute."""
    error = {"stage": HOSTILE, "type": HOSTILE, "message": HOSTILE, "traceback": HOSTILE}
    spoiled = record(
        name=HOSTILE,
        id=HOSTILE,
        state=HOSTILE,
        command=HOSTILE,
        overrides=[HOSTILE],
        error=error,
        stages=[{"name": HOSTILE, "state": HOSTILE, "detail": HOSTILE}],
        artifacts=[{"path": HOSTILE, "sha256": HOSTILE}],
        environment={"packages": {HOSTILE: HOSTILE}},
        data={"source": HOSTILE},
    )
    judged = evaluation(HOSTILE, HOSTILE) | {"dataset": HOSTILE, "settings": {HOSTILE: HOSTILE}}
    judged["base"] = judged["base"] | {HOSTILE: {"count": 1, "total": 2, "share": 0.5}}
    page = render(spoiled, metrics(), judged, HOSTILE)
    parsed = Tags(page)
    assert not [tag for tag, _ in parsed.tags if tag in ("script", "img", "iframe", "object", "form")]
    assert not [attrs for _, attrs in parsed.tags if any(name.startswith("on") for name in attrs)]
    assert "alert(1)" in parsed.text
    assert "{{ 7*7 }}" in parsed.text


def test_same_input_gives_the_same_bytes():
    """Nothing of the clock, of random ids or of dictionary order reaches the page."""
    first, second = (render(record(), metrics(), evaluation(), "a: 1\n") for _ in range(2))
    assert first == second


def test_refers_to_nothing_outside_itself():
    """No address in an attribute or a style: the file opens the same without a network."""
    page = render(record(), metrics(), evaluation(), "x: 1\n")
    for tag, attrs in Tags(page).tags:
        for name, value in attrs.items():
            if name in ("src", "href", "srcset", "action", "data", "poster") or name.endswith(":href"):
                assert value.startswith(("#", "data:")), (tag, name, value)
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page
    assert "http:" not in page and "https:" not in page
    assert "default-src 'none'" in page


def test_ids_are_unique_and_every_reference_finds_its_own():
    """Several inline drawings on one page do not take each other's clip paths."""
    page = render(record(), metrics(), evaluation(), "x: 1\n")
    ids = [attrs["id"] for _, attrs in Tags(page).tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


@pytest.mark.parametrize("hole", [None, "missing"])
def test_any_key_may_be_missing_or_null(hole):
    """Every single key of the record can be absent, and so can all of them."""
    for key in record():
        spoiled = record()
        if hole is None:
            spoiled[key] = None
        else:
            del spoiled[key]
        assert "</html>" in render(spoiled, metrics(2), None, "")
    assert "unnamed run" in render({}, [], None, "")


def test_nested_nulls_and_foreign_types_are_borne():
    """A half-written record still makes a page."""
    odd = record(
        attempts=[{}, None],
        stages=[{"seconds": None}],
        results={"final_loss": "NaN"},
        artifacts=[{}],
        environment={"packages": None},
        hardware={"memory_gib": "64"},
        created="yesterday",
    )
    odd_cases = {
        "base": None,
        "tuned": {"right_tool": None},
        "cases": [None, {}, {"prompt": [{"role": "user"}]}],
    }
    page = render(odd, [None, {}, {"step": None}, {"step": 1, "loss": None}], odd_cases, "")
    assert "yesterday" in page and "NaN" in page


def test_a_run_without_evaluation_or_metrics_says_so():
    """Absence is stated and not left as an empty frame."""
    seen = Tags(render({"state": "queued", "id": "r1"}, [], None, "")).text
    assert "Not evaluated yet." in seen
    assert "No step was written" in seen
    assert "<svg" not in render({"state": "queued", "id": "r1"}, [], None, "")


def test_one_line_of_metrics_is_a_point():
    """A line of one point would be invisible; it is drawn as a marker."""
    page = render(record(results=None), metrics(1), None, "")
    assert page.count("<svg") == 4
    assert "<use" in page
    assert "at step 1, the last one written" in page


def test_a_failed_run_shows_its_error_first():
    """Type, message, place and traceback stand before the figures, without terminal colours."""
    error = {
        "stage": "train",
        "rank": 3,
        "node": "node7",
        "type": "OutOfMemoryError",
        "message": "out of memory",
        "traceback": "Traceback (most recent call last):\n  \x1b[31mboom\x1b[0m",
    }
    page = render(record(state="failed", error=error), metrics(), None, "")
    seen = Tags(page).text
    assert "OutOfMemoryError: out of memory" in seen
    assert "stage train, rank 3, node node7" in seen
    assert "boom" in seen and "\x1b" not in page and "[31m" not in page
    assert page.index("This run failed") < page.index("Key figures")
    assert "python -m ftcore resume" in seen


def test_a_failed_run_without_an_error_gives_the_reason_of_its_last_attempt():
    """A job that Slurm killed leaves no Python error; what the attempt says is the news then."""
    killed = record(state="failed", attempts=[{"number": 1, "reason": "killed by the time limit"}])
    assert 'class="message">killed by the time limit' in render(killed, [], None, "")


def test_nan_is_said_and_marked():
    """A loss that is not a number shows in the figure, in a warning and as crosses in the chart."""
    lines = metrics(10)
    for line in lines[6:]:
        line["loss"] = math.nan
    page = render(record(results={"final_loss": math.nan}), lines, None, "")
    seen = Tags(page).text
    assert "NaN" in seen
    assert "not finite (NaN or infinite) on 4 of 10 steps, first at step 7" in seen
    assert "var(--chart-bad" in page
    assert "no finite values" in render(record(), metrics(3, loss=math.inf), None, "")


def test_cases_that_got_worse_are_shown_too():
    """The choice of cases holds losses beside gains, and says how many there are of each."""
    case = {"prompt": "p", "expected": "e", "base": "b", "tuned": "t"}
    gained = [case | {"id": f"g{i}", "base_score": MISS, "tuned_score": SCORE} for i in range(9)]
    lost = [case | {"id": "l0", "base_score": SCORE, "tuned_score": MISS}]
    closer = [case | {"id": "c0", "base_score": MISS, "tuned_score": SCORE | {"right_arguments": False}}]
    seen = Tags(render(record(), [], evaluation() | {"cases": gained + lost + closer}, "")).text
    assert "5 of 11 cases; in all 9 gained, 1 lost, 1 closer" in seen
    assert "l0" in seen
    assert "9 no→yes, 1 yes→no" in seen


def test_a_refusal_is_judged_by_whether_a_call_was_due():
    """Where no call was due, one that stops refusing got worse, however well formed its reply is."""
    no_call = {"well_formed": True, "right_tool": None, "right_arguments": None}
    worse = {"base_score": no_call | {"refused": True}, "tuned_score": no_call | {"refused": False}}
    assert change_of(worse) == "lost"
    assert change_of({"base_score": SCORE, "tuned_score": SCORE}) == "still right"
    assert change_of({"base_score": {}, "tuned_score": None}) == "not judged"
    shares = {
        "refused_rightly": {"count": 1, "of": 4, "share": 0.25},
        "refused_wrongly": {"count": 0, "of": 0},
    }
    seen = Tags(render(record(), [], {"base": shares, "tuned": shares, "cases": [worse]}, "")).text
    assert "Refused, no call was due" in seen and "1 of 4" in seen and "0 no→yes, 1 yes→no" in seen
    assert "Refused, a call was due" not in seen
    assert "✗ did not refuse" in seen
