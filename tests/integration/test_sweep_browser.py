"""The page of a sweep in a real browser: it sorts, points at trials, switches without a script, and fits."""

import math

import pytest

from ftcore.report.sweep.write import write_sweep
from ftcore.sweeps.look import Look
from tests.fixtures.browser import assert_narrow, assert_quiet, assert_readable, opened
from tests.fixtures.sweeps import HOSTILE, big, grid, make

pytestmark = pytest.mark.browser

SHAPES = [(scheme, width) for scheme in ("light", "dark") for width in (360, 1280)]
ORDER = "[...document.querySelectorAll('.trials tbody tr')].map(row => row.cells[0].innerText.trim())"
POINTS = grid(lr=[1e-4, 2e-4, 5e-4], rank=[8, 16, 64], data=["openai_jsonl", "工具调用"])


def loss(point):
    return 1 + abs(math.log(point["lr"] / 2e-4)) - 0.001 * point["rank"] + 0.1 * (point["data"] == "工具调用")


def written(sweep) -> str:
    write_sweep(sweep, Look(sweep), sweep.report, None, None)
    return sweep.report.as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    states = {4: "failed", 7: "pruned", 11: "created"}
    error = {"type": "ValueError", "message": HOSTILE * 5, "stage": "train"}
    folder = tmp_path_factory.mktemp("eighteen")
    state = lambda number, point: states.get(number, "completed")  # noqa: E731
    return written(make(folder, POINTS, loss, state, name="搜索", error=error))


@pytest.fixture(scope="module")
def of_thousand(tmp_path_factory):
    return written(big(tmp_path_factory.mktemp("thousand")))


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape[0]}-{shape[1]}")
def shown(request, browser, address):
    with opened(browser, address, *request.param) as found:
        yield found


@pytest.fixture
def page(browser, address):
    with opened(browser, address, "light", 1280) as found:
        yield found.page
        assert found.console == []


def test_opens_quietly_and_fetches_nothing(shown, address):
    """No message on the console, and no request but for the file itself."""
    assert_quiet(shown, address)


def test_only_tables_and_wide_charts_scroll_sideways(shown):
    """The page is as wide as the screen."""
    assert_narrow(shown)


def test_every_text_can_be_read(shown):
    """Contrast of at least 4.5 to 1 for all text, that of the heatmap on its colours among it."""
    if shown.page.locator("#heat-mean").count():
        shown.page.locator("#heat-mean").check()
    assert_readable(shown)


def test_a_heading_sorts(page):
    """The best stand on top; numbers by their value, what has no result last both ways."""
    assert page.evaluate(ORDER)[0] == "10" and page.evaluate(ORDER)[-3:] == ["4", "7", "11"]
    heading = page.locator(".trials thead button", has_text="loss")
    heading.click()
    assert page.evaluate(ORDER)[0] == "10"
    heading.click()
    assert page.evaluate(ORDER)[0] != "10" and set(page.evaluate(ORDER)[-3:]) == {"4", "7", "11"}
    page.locator(".trials thead button", has_text="#").click()
    assert page.evaluate(ORDER) == [str(number) for number in range(18)]
    page.locator(".trials thead button", has_text="data").click()
    assert page.evaluate("document.querySelector('.trials tbody tr').cells[3].innerText") == "openai_jsonl"


def test_a_trial_that_is_pointed_at_stands_out(page):
    """In the table and among the lines, and in words."""
    page.locator("tr[data-t='10']").hover()
    assert page.locator(".parallel .t10.lit").count() == 1 and page.locator(".parallel.aside").count() == 1
    assert "trial 10: lr=2e-4" in page.locator(".parallel output").inner_text()
    page.locator("h1").hover()
    assert page.locator(".lit").count() == 0


def test_markup_is_inert(page):
    """What a trial failed with is text."""
    assert page.evaluate("[document.scripts.length, document.images.length]") == [1, 0]
    assert HOSTILE in page.locator(".failure").inner_text()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_switches_need_no_script(browser, address, script):
    """The heatmap of means, another x axis, a curve less: by style alone."""
    with opened(browser, address, "light", 1280, java_script_enabled=script) as found:
        shown = found.page
        assert shown.locator("table.of-best").is_visible() and not shown.locator("table.mean").is_visible()
        shown.locator("#heat-mean").check()
        assert shown.locator("table.mean").is_visible() and not shown.locator("table.of-best").is_visible()
        shown.locator("#x-tokens").check()
        assert shown.locator(".by-tokens svg.chart:visible").count() == 2
        shown.locator("#show-10").uncheck()
        assert shown.locator(".by-tokens .r10:visible").count() == 0


@pytest.mark.parametrize("shape", [("dark", 360), ("light", 1280)], ids=["phone", "desktop"])
def test_a_thousand_trials(browser, of_thousand, shape):
    """A row and, where it has a result, a line each; eight curves in colour; as wide as the screen."""
    with opened(browser, of_thousand, *shape) as found:
        assert found.console == []
        assert found.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert found.page.locator(".trials tbody tr").count() == 1000
        assert found.page.locator(".parallel .line:not(.failed)").count() == 843
        assert found.page.locator(".legend li").count() == 8


def test_prints_on_light_paper(browser, address):
    """The table is whole, the switches are gone, and the page is white."""
    with opened(browser, address, "dark", 1280) as found:
        found.page.emulate_media(media="print")
        assert found.page.evaluate("getComputedStyle(document.querySelector('.tall')).maxHeight") == "none"
        assert not found.page.locator(".switches").first.is_visible()
        background = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(255, 255, 255)"
