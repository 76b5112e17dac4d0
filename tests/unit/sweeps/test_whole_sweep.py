"""A sweep as a whole: its rows, how it stands, its failures, and which words mean it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ftcore.cli.of_sweep.status import chosen
from ftcore.cli.target import sweep_of
from ftcore.config.errors import RequestError
from ftcore.sweeps import failures
from ftcore.sweeps.look import Look
from ftcore.sweeps.overview import overview
from ftcore.sweeps.table import LOSS, Row, objective, point, ranked
from tests.fixtures.sweeps import ID, START, big, grid, make

POINTS = grid(lr=[1e-4, 2e-4], rank=[8, 16])


def row(number, state="completed", value=None, started=None, took=None, **changed):
    """One trial; `started` and `took` in seconds."""
    figures = {}
    if started is not None:
        figures["attempt.started"] = (START + timedelta(seconds=started)).isoformat()
        ended = None if took is None else START + timedelta(seconds=started + took)
        figures["attempt.ended"] = ended and ended.isoformat()
    return Row(number, f"n/{ID}-{number:05d}", state, {"lr": number}, value, figures=figures, **changed)


def test_points_are_values():
    """Numbers, booleans and nothing as such; quotes, prefixes and Chinese text as they were meant."""
    words = [
        "lr=1e-4",
        "++rank=8",
        "packing=true",
        "x=null",
        "name='it\\'s 工'",
        "data=工具",
        "targets=[a,b]",
    ]
    assert point(words) == {
        "lr": 1e-4, "rank": 8, "packing": True, "x": None, "name": "it's 工", "data": "工具",
        "targets": "[a,b]",
    }  # fmt: skip


def test_rows_of_a_sweep_on_disk(tmp_path):
    """State, point, result and reason of each; a pruned trial is no cancelled one, NaN is a result that
    cannot be compared."""
    states = ["completed", "failed", "pruned", "completed"]
    losses = iter([0.5, 0.0, 0.0, float("nan")])
    sweep = make(tmp_path, POINTS, lambda one: next(losses), lambda number, one: states[number])
    rows = Look(sweep).rows
    assert [one.state for one in rows] == states
    assert rows[1].point == {"lr": 1e-4, "rank": 16} and rows[1].reason.startswith("OutOfMemoryError: ")
    assert rows[2].reason == "pruned at step 20"
    assert [one.scored for one in rows] == [True, False, False, False]


def test_what_a_trial_does_not_say_is_what_its_configuration_has(tmp_path):
    """Of a list of points with keys of their own every trial has a value for all keys."""
    import json

    sweep = make(tmp_path, [{"lr": 1e-4}, {"rank": 64}], lambda one: 1.0)
    for path in tmp_path.glob("tiny/*/record.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"config": {"lr": 5e-5, "rank": 16}}))
    assert [one.point for one in Look(sweep).rows] == [{"lr": 1e-4, "rank": 16}, {"lr": 5e-5, "rank": 64}]


def test_what_is_judged():
    """By the loss, or by what a search was asked to judge by, in its direction."""
    assert objective({"search": {"strategy": "grid"}}) == LOSS
    aim = objective({"search": {"metric": "evaluation.tuned.right_tool.share", "direction": "maximize"}})
    assert aim.key == "results.evaluation.tuned.right_tool.share" and aim.maximize
    rows = [row(0, value=0.2), row(1, value=0.9), row(2, value=0.5), row(3, "running", value=1.0)]
    assert [one.number for one in ranked(rows, aim)] == [1, 2, 0]
    assert [one.number for one in ranked(rows, LOSS)] == [0, 2, 1]


def test_counts_share_and_time_left():
    """Two of a hundred seconds each are done, one of two under way is half through, four are to come."""
    rows = [row(0, value=1.0, started=0, took=100), row(1, value=2.0, started=0, took=100)]
    rows += [
        row(2, "running", started=100),
        row(3, "running", started=150),
        *(row(n, "queued") for n in range(4, 8)),
    ]
    progress = {2: {"stage": "train", "done": 5, "total": 10}}
    view = overview(rows, LOSS, progress, START + timedelta(seconds=150))
    assert dict(view.counts) == {"completed": 2, "running": 2, "queued": 4}
    assert (view.over, view.total, view.done) == (2, 8, 2.5)
    assert view.seconds_left == pytest.approx((50 + 100 + 4 * 100) / 2)
    assert view.best.number == 0
    searching = overview(rows, LOSS, {}, START, to_come=12)
    assert (searching.total, searching.to_come) == (20, 12)
    assert overview(rows[2:], LOSS, {}, START).seconds_left is None


def test_failures_with_one_reason_are_told_together():
    """Numbers, paths and addresses do not part them; running out of memory is one reason."""
    reasons = [
        "OutOfMemoryError: CUDA out of memory. Tried 2.0 GiB", "rank 3 was ended by SIGKILL (out of memory?)",
        "FileNotFoundError: /data/a.jsonl line 3", "FileNotFoundError: /data/b.jsonl line 17",
        "ValueError: 工",
    ]  # fmt: skip
    rows = [
        replace(row(n, "failed", reason=one), point={"rank": 64, "lr": n}) for n, one in enumerate(reasons)
    ]
    found = failures.grouped([*rows, row(9, value=1.0)])
    assert [len(one.rows) for one in found] == [2, 2, 1]
    assert found[0].kind == failures.MEMORY and found[1].example == reasons[2]
    assert found[0].alike == {"rank": 64} and found[2].alike == {}


def test_a_long_table_is_cut_to_the_best_and_the_latest(tmp_path):
    """Twenty of a hundred, the best ten among them; all where they are asked for."""
    look = Look(big(tmp_path, 100))
    rows, left_out = chosen(look.rows, look.whole, whole=False)
    assert len(rows) + left_out == 100 and len(rows) <= 20
    assert {one.number for one in look.whole.ranking[:10]} <= {one.number for one in rows}
    assert chosen(look.rows, look.whole, whole=True) == (look.rows, 0)


def test_which_words_mean_a_sweep(tmp_path):
    """Its id, a beginning that only it has, its folder, last-sweep; never last, nor a trial's run."""
    sweep = make(tmp_path, POINTS, lambda one: 1.0)
    for reference in (ID, ID[:8], "last-sweep", str(sweep.path)):
        assert sweep_of(tmp_path, reference).id == ID
    for reference in ("last", "nope", "", f"{ID}-00001"):
        assert sweep_of(tmp_path, reference) is None
    other = make(tmp_path, POINTS, lambda one: 1.0, id="20260102-030406-00000")
    assert sweep_of(tmp_path, "last-sweep").id == other.id
    with pytest.raises(RequestError, match="2 sweeps and 0 other runs begin so"):
        sweep_of(tmp_path, "20260102")
    (tmp_path / "alone" / "20260102-030405-9999a").mkdir(parents=True)
    with pytest.raises(RequestError, match="1 sweep and 1 other run begin so"):
        sweep_of(tmp_path, "20260102-030405")
    with pytest.raises(RequestError, match="no such sweep"):
        sweep_of(tmp_path / "alone", "last-sweep")
