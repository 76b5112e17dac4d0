"""The page of several runs: what it compares, how it ranks, what it makes of runs with holes in them."""

import json
import math
import re
from dataclasses import replace

import pytest

from ftcore.cli.main import main
from ftcore.report import palette
from ftcore.report.axes import kept_points
from ftcore.report.curves import by_step
from ftcore.report.differing import FOLDED_FROM, sections
from ftcore.report.overlaid import clocks, overlaid
from ftcore.report.several import render_several
from ftcore.report.side_by_side import clipped, side_by_side
from ftcore.report.standing import Entry, columns, ranked, seconds
from ftcore.report.write import comparison_name
from tests.fixtures.many_runs import DIFFERENCES, HOSTILE, START, entry, evaluation, four, metrics


def page(entries, differences=None):
    ids = [str(one.record.get("id")) for one in entries]
    return render_several(entries, differences or {}, [f"python -m ftcore rerun {one}" for one in ids], [])


def texts(entries, label):
    return [cell.text for cell in next(one for one in columns(entries) if one.label == label).cells]


def test_the_page_holds_what_was_asked_of_it():
    """Names, results, differences, evaluations, stages and command lines are there as text."""
    shown = page(four(), DIFFERENCES)
    for expected in (
        "lr-2e-4", "工具调用-学习率-低", "6 × 4 K100_AI", "optim.lr", "5e-5", "69%", "from 3%", "so far",
        "python -m ftcore rerun 20260102-030403-7f33", "OutOfMemoryError", "not finite (NaN or infinite)",
    ):  # fmt: skip
        assert expected in shown, expected
    assert shown == page(four(), DIFFERENCES)


def test_hostile_text_stays_text():
    """Markup in names, messages, commands, keys and values never becomes an element or an attribute."""
    rows = {HOSTILE: {HOSTILE: [HOSTILE, 1]}}
    entries = [entry(0, HOSTILE, sweep=HOSTILE), entry(1, HOSTILE, state=HOSTILE)]
    entries[0].evaluation["tuned"][HOSTILE] = entries[0].evaluation["tuned"]["right_tool"]
    shown = page(entries, rows)
    assert shown.count("<script") == 1
    assert not re.search(r"<img|\sonerror=(?!alert\(2\)&gt;)", shown)


def test_refers_to_nothing_outside_itself():
    """No address in it, and a policy under which only its own script runs."""
    shown = page(four(), DIFFERENCES)
    assert "http:" not in shown and "https:" not in shown and "@import" not in shown
    assert re.search(r"script-src &#39;sha256-|script-src 'sha256-", shown)
    ids = re.findall(r'\sid="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", shown)) <= set(ids)


@pytest.mark.parametrize("spoil", [{}, {"results": None, "stages": None, "attempts": None, "error": "x"}])
def test_records_with_holes_make_a_page(spoil):
    """Runs that say nothing of themselves, or null, stand beside whole ones."""
    empty = Entry(dict.fromkeys(entry(1).record) if spoil else {}, [], None)
    assert "</html>" in page([entry(0), empty])
    assert "</html>" in page([empty, empty])
    assert "No run has written a step yet." in page([empty, empty])
    assert "None of these runs has been evaluated." in page([entry(0, state="failed"), empty])


def test_ten_long_runs_are_a_small_page():
    """Twenty thousand steps each, and the file stays under a megabyte and a half."""
    entries = [entry(index) for index in range(10)]
    long = metrics(1, 20_000)
    assert len(page([replace(one, lines=long) for one in entries]).encode()) < 1_500_000


def test_ranked_by_what_was_measured():
    """The strictest share decides where two runs have it; then the loss; NaN and nothing come last."""
    judged = [entry(2), entry(0), entry(1, state="running")]
    assert ranked(judged) == ([1, 0, 2], "right arguments")
    spoiled = entry(3, state="failed")
    assert ranked([spoiled, entry(5, state="created"), entry(1, state="running")])[0][0] == 2
    assert ranked([entry(0), entry(1, state="running")])[1] == "final loss"


def test_best_needs_a_rival():
    """No star where all have the same or only one has anything; ties are both best."""
    alone = next(one for one in columns([entry(0), entry(1, state="created")]) if one.label == "Tokens / s")
    assert alone.winners == (False, False)
    tied = next(one for one in columns([entry(1), entry(1), entry(0)]) if one.label == "Tokens / s")
    assert tied.winners == (True, True, False)


def test_a_running_run_is_timed_up_to_its_last_step():
    """Of an attempt without an end, what is known to have passed, and it is said so."""
    running = entry(0, state="running", steps=20)
    assert seconds(running) == (pytest.approx(100), True)
    assert texts([running, entry(1)], "Duration") == ["1 min 40 s", "9 min 00 s"]
    waiting = entry(0, state="created", attempts=[{"number": 1, "started": START, "ended": None}])
    assert seconds(waiting) == (None, True)


def test_more_runs_than_colours():
    """The best get the colours, in the order of the command line; the others none."""
    marks = palette.marks([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    assert [one.place for one in marks] == [None, None, *range(8)]
    assert marks[0].classes == "r1 rest" and marks[2].classes == "r3"
    assert len({one.dash for one in marks[2:]}) == len({one.color for one in marks[2:]}) == 8


def test_thinning_keeps_extremes_and_gaps():
    """The one spike and the one NaN of ten thousand values are among a hundred kept."""
    y = [1.0] * 10_000
    y[1234], y[5678] = 50.0, math.nan
    kept = kept_points(y, 100)
    assert {0, 1234, 5678, 9999} <= set(kept) and len(kept) <= 160


def test_curves_over_steps_tokens_and_time():
    """Each x axis that the lines say something about, smooth lines only where there is enough to smooth."""
    marks = palette.marks([0, 1])
    long, short = metrics(0, 40), metrics(1, 5)
    charts = overlaid([(marks[0], long), (marks[1], short)])
    assert [one.title for one in charts] == ["Loss", "Gradient norm", "Throughput", "Learning rate"]
    assert [name for name, _ in charts[0].drawings] == ["step", "tokens", "time"]
    drawn = charts[0].drawings[0][1]
    assert 'class="line smooth r1"' in drawn and 'class="line r2"' in drawn
    assert "r2" in drawn and "smooth r2" not in drawn
    bare = by_step([{"step": step, "loss": 1.0} for step in range(3)])
    assert [name for name, _ in overlaid([(marks[0], bare)])[0].drawings] == ["step"]


def test_time_is_spent_in_steps():
    """Waiting between two attempts is in no step."""
    lines = [{"step": 1, "step_seconds": 2.0, "time": 0}, {"step": 2, "step_seconds": 3.0, "time": 9e6}]
    assert clocks(lines) == [2.0, 5.0]


def test_a_diverged_run_makes_the_axis_logarithmic():
    """One loss of a million does not press the others onto the base line; only NaN leaves an empty frame."""
    mark = palette.marks([0])[0]
    charts = overlaid([(mark, by_step([{"step": i, "loss": 1e6 if i == 9 else 2.0} for i in range(10)]))])
    assert charts[0].note == "logarithmic"
    nothing = overlaid([(mark, by_step([{"step": 1, "loss": math.nan}]))])
    assert "no finite values" in nothing[0].drawings[0][1]


def test_differences_as_cells():
    """Results and names stand elsewhere; hashes are cut, what differs from the first run is marked."""
    found = sections(DIFFERENCES)
    assert [one.heading for one in found] == ["Configuration", "Code", "Software"]
    keys = dict(found[0].rows)
    assert "name" not in keys and [one.text for one in keys["optim.lr"]] == ["2e-4", "5e-5", "2e-4", "0.001"]
    assert [one.other for one in keys["optim.lr"]] == [False, True, False, True]
    assert [one.text for one in keys["data.path"]][-1] == "–"
    assert [one.text for one in dict(found[1].rows)["dirty"]][:2] == ["false", "true"]
    assert dict(found[1].rows)["source_sha256"][0].whole == "ab" * 32
    assert [one.folded for one in found] == [False, False, True] and len(found[2].rows) > FOLDED_FROM


def test_evaluations_side_by_side():
    """The base that all share is drawn once; other cases or settings are said to be so."""
    marks, names = palette.marks([0, 1, 2]), ["a", "b", "c"]
    same = [entry(0), entry(1), entry(2, state="created")]
    found = side_by_side(same, marks, names)
    assert found.caution == "" and found.datasets == "BFCL v4"
    assert "base of all, base 9%" in found.measures[0].svg
    assert found.measures[0].cells[2] == (("–", ""), ("–", ""))
    other = replace(same[1], evaluation=evaluation(1, settings={"cases": 64}))
    assert "same cases" in side_by_side([same[0], other], marks[:2], names[:2]).caution
    assert side_by_side([same[2]] * 2, marks[:2], names[:2]) is None


def test_long_names_keep_their_ends():
    """Names of a sweep differ at the end; Han characters count twice."""
    assert clipped("short") == "short"
    assert clipped("a" * 60 + "lr-1", 20).endswith("lr-1") and len(clipped("a" * 60, 20)) == 20
    assert len(clipped("工" * 60, 20)) <= 11


def test_file_names_stay_short():
    """Two ids are readable; of thirty there is a digest, the same for the same runs."""
    assert comparison_name(["a", "b"]) == "report-a-b.html"
    many = [f"20260102-0304{index:02d}-7f30" for index in range(30)]
    assert re.fullmatch(r"report-20260102-030400-7f30-and-29-more-[0-9a-f]{8}\.html", comparison_name(many))
    assert comparison_name(many) != comparison_name([*many[:-1], "x"])


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs on disk under ./runs, one of them barely begun."""
    monkeypatch.chdir(tmp_path)
    for index, state in enumerate(("completed", "created")):
        made = entry(index, f"n{index}", state, 30)
        folder = tmp_path / "runs" / f"n{index}" / made.record["id"]
        folder.mkdir(parents=True)
        whole = {
            "schema_version": 2, "config": {"lr": index, "runs_dir": "runs"}, "code": {}, "environment": {},
            "data": {}, "model": {}, "artifacts": [], "seed": 1,
        }  # fmt: skip
        launch = {"cluster": "local", "nodes": 1, "tasks_per_node": 1, "job_id": None, "then": None}
        (folder / "record.json").write_text(json.dumps(whole | made.record | {"launch": launch}))
        (folder / "config.yaml").write_text(f"lr: {index}\n")
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in made.lines))
    return tmp_path / "runs"


def test_two_runs_make_a_page_beside_their_folders(runs, capsys):
    """Its file is said, lies in no run's directory, and shows what differs between the records."""
    assert main(["report", "20260102-030400", "20260102-030401", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ids"] == ["20260102-030400-7f30", "20260102-030401-7f31"]
    assert told["report"] == "runs/report-20260102-030400-7f30-20260102-030401-7f31.html"
    shown = (runs.parent / told["report"]).read_text(encoding="utf-8")
    assert "<code>lr</code>" in shown and "python -m ftcore rerun 20260102-030401-7f31<" in shown
    assert not list(runs.glob("*/*/report.html"))


def test_to_says_where(runs, capsys):
    """--to takes the page elsewhere, of one run too; by their folders runs of two places are compared."""
    assert main(["report", "last", "20260102-030400", "--to", "page.html"]) == 0
    assert capsys.readouterr().out == "page.html\n" and (runs.parent / "page.html").exists()
    assert main(["report", "last", "--to", "one.html"]) == 0
    assert "ftcore run report" in (runs.parent / "one.html").read_text(encoding="utf-8")
    folders = [str(path.parent) for path in runs.glob("*/*/record.json")]
    assert main(["report", *folders, "--to", "page.html", "runs_dir=elsewhere"]) == 0


def test_everything_that_is_wrong_is_said_at_once(runs, capsys):
    """Unknown runs, one named twice, and a file that may not be."""
    inside = runs / "n0" / "20260102-030400-7f30" / "x.html"
    assert main(["report", "last", "nope", "never", "--to", "record.json"]) == 2
    said = capsys.readouterr().err
    assert "nope" in said and "never" in said and "ends in .html" in said
    assert main(["report", "last", "20260102-030401", "--to", str(inside)]) == 2
    said = capsys.readouterr().err
    assert "named more than once" in said and "lies in the directory of run 20260102-030400-7f30" in said
    assert main(["report", "last", "--to", "no/such/folder.html"]) == 2
    assert "there is no folder no/such" in capsys.readouterr().err
