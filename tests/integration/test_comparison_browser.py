"""The page of several runs in a real browser: it sorts, switches without a script, and harms nobody."""

import pytest

from ftcore.report.several import render_several
from tests.fixtures.browser import assert_narrow, assert_quiet, assert_readable, opened
from tests.fixtures.many_runs import DIFFERENCES, HOSTILE, entry, four

pytestmark = pytest.mark.browser

WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
ORDER = "[...document.querySelectorAll('.runs tbody tr')].map(row => row.cells[0].innerText.trim())"


def written(folder, entries, differences):
    ids = [one.record["id"] for one in entries]
    again = [f"python -m ftcore rerun {one}" for one in ids]
    commands = [("write this page again", f"python -m ftcore report {' '.join(ids)}")]
    file = folder / "comparison.html"
    file.write_text(render_several(entries, differences, again, commands), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    return written(tmp_path_factory.mktemp("four"), four(), DIFFERENCES)


@pytest.fixture(scope="module")
def of_thirty(tmp_path_factory):
    rates = {"config": {"optim.lr": [1e-4 * (i + 1) for i in range(30)]}}
    entries = [entry(i, steps=400) for i in range(29)] + [entry(29, state="created")]
    return written(tmp_path_factory.mktemp("thirty"), entries, rates)


@pytest.fixture(
    params=[(scheme, width) for scheme in SCHEMES for width in WIDTHS], ids=lambda p: f"{p[0]}-{p[1]}"
)
def shown(request, browser, address):
    with opened(browser, address, *request.param) as found:
        found.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        yield found


@pytest.fixture
def page(browser, address):
    with opened(browser, address, "light", 1280) as found:
        yield found.page
        assert found.console == []


def test_opens_quietly_and_fetches_nothing(shown, address):
    """No message on the console, and no request but for the file itself."""
    assert_quiet(shown, address)


def test_only_tables_scroll_sideways(shown):
    """Long names and wide tables leave the page as wide as the screen."""
    assert_narrow(shown)


def test_every_text_can_be_read(shown):
    """Contrast of at least 4.5 to 1 for all text of the page and of its charts."""
    assert_readable(shown)


def test_lines_stand_out_from_the_card(shown):
    """Colours of runs at 3 to 1 or more against what they are drawn on."""
    colours = shown.page.evaluate(
        """() => { const probe = document.body.appendChild(document.createElement('i'));
        const of = name => { probe.style.color = `var(${name})`;
          return getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number) };
        return [of('--card'), [...Array(8).keys()].map(i => of(`--run-${i}`))] }"""
    )
    card, runs = _luminance(colours[0]), [_luminance(one) for one in colours[1]]
    assert min((max(card, one) + 0.05) / (min(card, one) + 0.05) for one in runs) >= 3


def _luminance(colour):
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def test_a_heading_sorts(page):
    """Numbers by their value, missing ones and NaN last both ways, and the heading says which way."""
    heading = page.locator(".runs thead button", has_text="Final loss")
    assert page.evaluate(ORDER) == ["1", "2", "3", "4"]
    heading.click()
    assert page.evaluate(ORDER) == ["1", "4", "2", "3"]
    assert page.locator(".runs th[aria-sort=ascending]").inner_text().startswith("Final loss")
    heading.click()
    assert page.evaluate(ORDER) == ["2", "4", "1", "3"]
    page.locator(".runs thead button", has_text="Right arguments").click()
    assert page.evaluate(ORDER)[:2] == ["1", "2"]
    page.locator(".runs thead button", has_text="#").click()
    assert page.evaluate(ORDER) == ["1", "2", "3", "4"]


def test_a_name_with_markup_is_inert(page):
    """It is shown as it is, and no other script than the page's own is in the page."""
    assert page.evaluate("[document.scripts.length, document.images.length]") == [1, 0]
    assert page.locator(".runs th", has_text=HOSTILE).count() == 1


def test_a_foreign_script_would_not_run(browser, tmp_path):
    """Even where escaping failed, the page's policy lets no script run but its own."""
    address = written(tmp_path, four(), {})
    file = tmp_path / "comparison.html"
    spoiled = file.read_text(encoding="utf-8").replace("<main>", "<main><script>window.bad = 1</script>", 1)
    file.write_text(spoiled, encoding="utf-8")
    with opened(browser, address, "light", 1280) as found:
        assert found.page.evaluate("[window.bad, document.querySelectorAll('thead button').length > 5]") == [
            None,
            True,
        ]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_switches_need_no_script(browser, address, script):
    """Another x axis, no smoothing, a run less: by style alone."""
    with opened(browser, address, "light", 1280, java_script_enabled=script) as found:
        page = found.page
        assert page.locator(".plots svg.chart:visible").count() == 4
        page.locator("#x-tokens").check()
        assert page.locator(".by-tokens svg.chart:visible").count() == 4
        assert page.locator(".by-step svg.chart:visible").count() == 0
        smooth, run = page.locator(".by-tokens .smooth"), page.locator(".by-tokens .r2")
        assert smooth.first.is_visible() and run.first.is_visible()
        page.locator("#smooth").uncheck()
        page.locator("#show-2").uncheck()
        assert not smooth.first.is_visible() and not run.first.is_visible()
        assert page.locator(".by-tokens .r1:visible").count() > 0


def test_thirty_runs_still_make_a_page(browser, of_thirty):
    """Eight in colour, the rest grey, an empty one among them, nothing wider than a phone."""
    with opened(browser, of_thirty, "dark", 360) as found:
        assert found.console == []
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert found.page.locator(".runs tbody tr").count() == 30
        coloured = found.page.locator(".by-step .smooth:not(.rest)")
        assert coloured.count() == 3 * 8
        assert found.page.locator(".by-step .smooth.rest").count() == 3 * 21


def test_prints_on_light_paper(browser, address):
    """On paper the folds are open, the switches are gone and the page is white."""
    with opened(browser, address, "dark", 1280) as found:
        found.page.emulate_media(media="print")
        fold = found.page.locator("details table").first
        assert fold.is_visible() and fold.bounding_box()["height"] > 10
        assert not found.page.locator(".switches").is_visible()
        background = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(255, 255, 255)"


def test_dashes_tell_lines_apart_also_without_smoothing(page):
    """A noisy line is whole while it is only the background of a smooth one, and else has its run's dash."""
    dash = "getComputedStyle(document.querySelector('.by-step .raw.r2 path')).strokeDasharray"
    assert page.evaluate(dash) == "none"
    page.locator("#smooth").uncheck()
    assert page.evaluate(dash) != "none"
