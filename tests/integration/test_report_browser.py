"""The run report in a real browser: both colour schemes, a desk's width and a phone's, nothing fetched."""

import math

import pytest

from ftcore.report import render
from tests.fixtures.browser import assert_narrow, assert_quiet, assert_readable, opened

pytestmark = pytest.mark.browser

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")


def sample():
    """A run with everything in it: Chinese text, long words, a resumed step, a lost case."""
    moment = "2026-01-02T03:04:05+00:00"
    share = {"count": 20, "total": 32, "share": 0.625, "low": 0.45, "high": 0.77}
    measures = dict.fromkeys(("well_formed", "right_tool", "right_arguments", "refused"), share)
    good = {"well_formed": True, "right_tool": True, "right_arguments": True, "refused": False}
    bad = dict.fromkeys(good, False)
    case = {
        "category": "simple",
        "prompt": "上海明天的天气怎么样？请用摄氏度。",
        "expected": [{"name": "get_weather", "arguments": {"city": "上海", "unit": "celsius"}}],
        "base": "无法访问实时天气数据。" * 30,
        "tuned": "x" * 400,
    }
    record = {
        "id": "20260102-030405-7f3a",
        "name": "工具调用-with-a-rather-long-name-that-has-nowhere-to-break-in-it-at-all",
        "created": moment,
        "state": "failed",
        "seed": 7,
        "command": "python -m ftcore experiment=quickstart " + "lr=2e-4 " * 20,
        "overrides": ["lr=2e-4", "name=" + "n" * 90],
        "hardware": {"accelerator": "cpu", "memory_gib": 16, "hostname": "node1"},
        "data": {"source": "hub/" + "d" * 80, "rows": 1000, "sha256": "ab" * 32},
        "model": {"path": "models/small", "sha256": "cd" * 32},
        "environment": {"python": "3.11.7", "packages": {"torch": "2.11.0", "transformers": "5.17.0"}},
        "attempts": [
            {"number": 1, "started": moment, "ended": moment, "state": "preempted", "nodes": ["node1"] * 12},
        ],
        "stages": [
            {
                "name": "prepare",
                "state": "completed",
                "started": moment,
                "seconds": 12.0,
                "detail": "缓存命中",
            },
            {"name": "train", "state": "failed", "started": moment, "seconds": 340.0, "detail": "step 64"},
        ],
        "results": {"final_loss": 0.4, "first_loss": 1.6, "tokens": 123456, "tokens_per_second": 950.0},
        "artifacts": [{"path": "adapter/" + "a" * 100, "sha256": "ef" * 32, "bytes": 1 << 20}],
        "error": {
            "stage": "train",
            "rank": 0,
            "type": "RuntimeError",
            "message": "m" * 200,
            "traceback": "t\n" * 60,
        },
    }
    metrics = [
        {
            "step": step,
            "loss": math.nan if step == 40 else 2 / step + 0.1,
            "lr": 2e-4 * step / 64,
            "tokens_per_second": 900 + step % 7,
            "grad_norm": 1 / step,
        }
        for step in range(1, 65)
    ]
    evaluation = {
        "dataset": "留出集",
        "base": measures,
        "tuned": measures,
        "cases": [
            case | {"id": "c" * 60, "base_score": bad, "tuned_score": good},
            case | {"id": "simple_2", "base_score": good, "tuned_score": bad},
        ],
        "settings": {"max_new_tokens": 64},
    }
    return render(record, metrics, evaluation, "name: 工具调用\nlong: " + "y" * 300 + "\n")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(sample(), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(
    params=[(scheme, width) for scheme in SCHEMES for width in WIDTHS], ids=lambda p: f"{p[0]}-{p[1]}"
)
def shown(request, browser, address):
    scheme, width = request.param
    with opened(browser, address, scheme, width) as found:
        found.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        yield found


def test_opens_quietly_and_fetches_nothing(shown, address):
    """No message on the console, and no request but for the file itself."""
    assert_quiet(shown, address)


def test_does_not_scroll_sideways(shown):
    """Long names, hashes, replies and tracebacks wrap, with every fold opened."""
    assert_narrow(shown)


def test_every_text_can_be_read(shown):
    """Contrast of at least 4.5 to 1 for all text of the page and of its charts."""
    assert_readable(shown)


def test_charts_are_there_to_be_seen(shown):
    """Five charts with real size, and with text that stays legible on a phone."""
    charts = shown.page.locator("svg.chart")
    assert charts.count() == 5
    for index in range(charts.count()):
        box = charts.nth(index).bounding_box()
        assert box["width"] > 250 and box["height"] > 100
    texts = "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)"
    heights = shown.page.evaluate(texts)
    assert min(heights) >= 10


def test_labels_of_a_chart_do_not_run_into_each_other(shown):
    """The text of one chart never overlaps another text of it, also where a phone enlarges it."""
    overlaps = shown.page.evaluate(
        """() => [...document.querySelectorAll('svg.chart')].flatMap(svg => {
          const texts = [...svg.querySelectorAll('text')];
          const boxes = texts.map(t => [t.textContent, t.getBoundingClientRect()]);
          return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
            Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
            Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 4).map(([b]) => [a, b]));
        })"""
    )
    assert overlaps == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_follows_the_colour_scheme(browser, address, scheme):
    """Dark means a dark page with light text, and light the reverse; the charts' lines change with it."""
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    background, text = page.evaluate(
        """() => { const style = getComputedStyle(document.body);
        return [style.backgroundColor, style.color].map(c => c.match(/[\\d.]+/g).slice(0, 3).map(Number)) }"""
    )
    dark, light = (background, text) if scheme == "dark" else (text, background)
    context.close()
    assert max(dark) < 60
    assert min(light) > 200


def test_print_shows_what_is_folded(browser, address):
    """On paper nothing can be opened, so the folds are open there, in the light scheme."""
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(address)
    page.emulate_media(media="print")
    fold = page.locator("details pre").first
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    seen = fold.is_visible() and fold.bounding_box()["height"] > 10
    context.close()
    assert seen
    assert background == "rgb(255, 255, 255)"
