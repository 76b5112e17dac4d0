"""The page of a sweep: what it says of whole, broken, huge and odd ones, and its table as values."""

import csv
import io
import json
import math
import re

import pytest

from ftcore.cli.main import main
from ftcore.cli.of_sweep.cancel import put_back, take_back
from ftcore.report.sweep.effects import effect
from ftcore.report.sweep.heatmap import heatmap
from ftcore.report.sweep.scale import key_axis, result_scale
from ftcore.report.sweep.trials import as_csv
from ftcore.report.sweep.write import write_sweep
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.sweeps import directory
from ftcore.sweeps.look import Look
from ftcore.sweeps.table import LOSS, Row
from tests.fixtures.sweeps import HOSTILE, ID, big, grid, make

POINTS = grid(lr=[1e-4, 2e-4, 5e-4], rank=[8, 16, 64], data=["openai_jsonl", "工具调用"])


def loss(point):
    return 1 + abs(math.log(point["lr"] / 2e-4)) - 0.001 * point["rank"] + 0.1 * (point["data"] == "工具调用")


def page(sweep, x=None, y=None):
    write_sweep(sweep, Look(sweep), sweep.report, x, y)
    return sweep.report.read_text(encoding="utf-8")


def row(number, value, **point):
    return Row(number, f"n/{number}", "completed" if value is not None else "failed", point, value)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    states = {4: "failed", 7: "pruned", 11: "created"}
    return make(tmp_path / "runs", POINTS, loss, lambda number, point: states.get(number, "completed"))


def test_the_page_says_what_it_is_for(sweep):
    """The best trial, how to do it again, counts, hours, tokens, failures and what they have in common."""
    shown = page(sweep)
    for expected in (
        "trial 10", "lr=2e-4", f"python -m ftcore rerun {ID}-00010<",
        "15 completed, 1 created, 1 pruned, 1 failed",
        "out of memory: OutOfMemoryError", "Accelerator-hours", "2.4M", "pruned at step 20", "工具调用",
        "python -m ftcore resume", "parallel", "heat", "some combinations have no result",
    ):  # fmt: skip
        assert expected in shown, expected
    assert shown == page(sweep)


def test_names_and_reasons_are_text(tmp_path):
    """Markup in names, values, reasons and commands becomes no element; only the page's script may run."""
    points = [{"lr": 1e-4, "data": HOSTILE}, {"lr": 2e-4, "data": "a"}, {"lr": 3e-4, "data": "b"}]
    error = {"type": "X", "message": HOSTILE, "stage": "train"}
    state = ("failed", "completed", "completed")
    sweep = make(tmp_path, points, lambda one: one["lr"], lambda number, _: state[number], error=error)
    told = json.loads(sweep.state.read_text())
    sweep.state.write_text(json.dumps(told | {"name": HOSTILE, "command": HOSTILE}))
    shown = page(sweep)
    assert shown.count("<script") == 1 and "<img" not in shown
    assert "http:" not in shown and "https:" not in shown
    ids = re.findall(r'\sid="([^"]+)"', shown)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("state", ["failed", "created", "pruned", "completed"])
def test_nothing_to_compare_is_no_fault(tmp_path, state):
    """All failed, none begun, all pruned, all with a NaN, no trial at all: a page all the same."""
    sweep = make(tmp_path, POINTS[:4], lambda one: math.nan, lambda number, one: state)
    shown = page(sweep)
    assert "no trial has a result" in shown and "Too few trials have a result" in shown
    assert "There is no trial yet." in page(make(tmp_path, [], lambda one: 1.0, id=f"{ID}0"))


def test_one_axis_has_no_heatmap(tmp_path):
    """Four trials over one key: everything but the table of two keys."""
    shown = page(make(tmp_path, grid(lr=[1e-4, 2e-4, 5e-4, 1e-3]), lambda one: one["lr"]))
    assert 'id="heat"' not in shown and "Only <code>lr</code> varies." in shown
    assert shown.count('class="chart"') >= 3


def test_a_thousand_trials_are_a_page_under_three_megabytes(tmp_path):
    """Six keys, one of them with Chinese names, some failed, some pruned, some under way."""
    sweep = big(tmp_path)
    assert len(page(sweep).encode()) < 3_000_000


def test_the_heatmap_is_the_best_and_the_mean():
    """Over all other keys; large numbers on top; a cell without a result says why."""
    values = ((1.0, 1, 8, 1), (3.0, 1, 8, 2), (2.0, 2, 8, 1), (None, 2, 16, 1))
    rows = [row(n, one, lr=lr, rank=rank, seed=seed) for n, (one, lr, rank, seed) in enumerate(values)]
    axes = [key_axis(key, [one.point[key] for one in rows]) for key in ("lr", "rank")]
    found = heatmap(rows, *axes, result_scale([1.0, 3.0, 2.0], False), False)
    assert found.columns == ("1", "2") and [name for name, _ in found.rows] == ["16", "8"]
    cells = dict(found.rows)["8"]
    assert (cells[0].best, cells[0].mean, cells[0].trial) == ("1", "2", 0)
    assert [cell.best for cell in dict(found.rows)["16"]] == ["–", "failed"]
    assert found.several and not found.parts
    assert heatmap(rows, *axes, result_scale([3.0], True), True).rows[1][1][0].best == "3"


def test_axes_are_logarithmic_where_values_span_decades():
    """Groups are places beside each other; numbers that are few are all written."""
    assert key_axis("lr", [1e-5, 1e-3]).log and not key_axis("length", [1024, 4096]).log
    kinds = key_axis("data", ["b", "a", "b"], {"values": ["a", "b"]})
    assert kinds.values == ("a", "b") and [round(place, 2) for place, _ in kinds.ticks()] == [0.25, 0.75]
    many = key_axis("lr", [10 ** -(2 + number / 20) for number in range(60)])
    assert [text for _, text in many.ticks()] == [
        "2e-5",
        "5e-5",
        "1e-4",
        "2e-4",
        "5e-4",
        "0.001",
        "0.002",
        "0.005",
        "0.01",
    ]
    assert key_axis("x", [1, None]).numeric is False and math.isnan(key_axis("x", [1, 2]).place(None))
    assert key_axis("on", [True, False]).ticks()[0][1] == "true"


def test_far_results_do_not_press_the_others_together():
    """They have the last colour, and the scale says that there is worse."""
    scale = result_scale([1.0, 1.1, 1.2, 1e6], False)
    assert scale.clipped and scale.shade(1e6) == 6 and scale.shade(1.0) == 0
    upward = result_scale([0.2, 0.9], True)
    assert (upward.shade(0.9), upward.shade(0.2)) == (0, 6)
    assert result_scale([], False) is None and result_scale([1.0], False).shade(1.0) == 0


def test_the_effect_of_a_key_is_drawn_of_many_and_of_one():
    """A thousand dots are thinned; a single trial is a chart too."""
    rows = [row(number, number / 1000, lr=number + 1) for number in range(1000)]
    axis = key_axis("lr", [one.point["lr"] for one in rows])
    drawn = effect(rows, rows, axis, result_scale([0.0, 1.0], False), "loss")
    assert drawn.svg.count("<use") < 400 and drawn.note == "logarithmic"
    alone = effect(rows[:1], rows[:1], key_axis("lr", [1]), result_scale([0.0], False), "loss")
    assert "loss by lr, 1 trials" in alone.svg


def test_the_table_as_values(sweep):
    """One row a trial in order of number, whole numbers, the reason in a line."""
    read = list(csv.DictReader(io.StringIO(as_csv(Look(sweep).rows, LOSS))))
    assert [int(one["trial"]) for one in read] == list(range(18))
    assert float(read[0]["end_loss"]) == pytest.approx(loss(POINTS[0]))
    assert (
        read[1]["data"] == "工具调用" and read[4]["state"] == "failed" and "OutOfMemory" in read[4]["reason"]
    )
    assert read[7]["reason"] == "pruned at step 20" and read[11]["started"] == ""


def test_report_of_a_sweep(sweep, capsys):
    """Its page lies in its directory; --to takes it elsewhere, --csv is a table, --json says the best."""
    assert main(["report", "last-sweep"]) == 0
    assert capsys.readouterr().out.strip() == f"runs/.sweeps/{ID}/report.html"
    assert main(["report", ID, "--json", "--x", "rank", "--y", "data", "--to", "sweep.html"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["best"]["trial"] == 10 and told["report"] == "sweep.html"
    assert "The two keys that were asked for" in (sweep.runs_dir.parent / "sweep.html").read_text(
        encoding="utf-8"
    )
    assert main(["report", ID[:10], "--csv"]) == 0
    assert capsys.readouterr().out.startswith("trial,run,state,lr,rank,data,end_loss")
    assert main(["report", ID, "--csv", "--to", "sweep.csv"]) == 0


def test_a_wrong_request_is_told_at_once(sweep, capsys):
    """Keys that are not swept, a file of the wrong kind, two forms; flags of a sweep on a run."""
    assert main(["report", ID, "--x", "rnak", "--y", "nope", "--to", "a.txt", "--csv", "--json"]) == 2
    said = capsys.readouterr().err
    for expected in (
        "--x: rnak is not swept",
        "did you mean rank",
        "--y: nope",
        "a.txt is no table",
        "--csv: not beside",
    ):
        assert expected in said
    assert main(["report", "last", "--x", "lr", "--csv"]) == 2
    said = capsys.readouterr().err
    assert "--x: is of a sweep" in said and "--csv: is of a sweep" in said
    assert main(["status", "last", "--follow"]) == 2
    assert main(["logs", ID, "--rank", "1"]) == 2


def test_status_of_a_sweep(sweep, capsys):
    """On a terminal's width or piped: counts, the best, failures; as JSON every trial."""
    assert main(["status", ID]) == 0
    said = capsys.readouterr().out
    for expected in ("15 completed", "best: end loss", "lr=2e-4 rank=64", "1 failed: out of memory", "17/18"):
        assert expected in said
    assert main(["status", ID, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["pruned"] == 1 and told["best"]["trial"] == 10 and len(told["standing"]) == 18
    assert told["failures"] == [{"state": "failed", "reason": "out of memory", "trials": [4]}]


def test_trials_that_never_began_are_taken_back_and_put_back(sweep):
    """Cancelled without an attempt, and as they were when the sweep goes on; others are left alone."""
    runs = [RunDirectory(sweep.runs_dir / one.run) for one in directory.trials(sweep)]
    assert take_back(runs[11]) and record.read(runs[11])["state"] == "cancelled"
    assert not take_back(runs[0]) and record.read(runs[0])["state"] == "completed"
    for number in (0, 7, 11):
        put_back(runs[number])
    assert [record.read(runs[number])["state"] for number in (0, 7, 11)] == [
        "completed",
        "cancelled",
        "created",
    ]


def test_ls_of_a_sweep_shows_what_varies(sweep, capsys):
    """The swept keys are columns, also of a sweep named by a beginning."""
    for path in sweep.runs_dir.glob("tiny/*/record.json"):
        record = json.loads(path.read_text())
        trial = POINTS[record["trial"]]
        changed = {"config": {"lr": trial["lr"], "rank": trial["rank"]}, "choices": {"data": trial["data"]}}
        path.write_text(json.dumps(record | changed, ensure_ascii=False))
    assert main(["ls", "--sweep", ID[:10], "--sort", "loss", "--limit", "1", "--csv"]) == 0
    head, first = capsys.readouterr().out.splitlines()
    assert head.endswith("loss,lr,rank,data") and ",0.0002,64,openai_jsonl" in first
