"""A search that trains here, looked at, cancelled and gone on with while it runs."""

import json

import pytest

from ftcore.cli.main import main
from ftcore.runs import record
from ftcore.sweeps import directory, standing, workers
from ftcore.sweeps.directory import SweepDirectory
from tests.fixtures.tiny import Tiny, finish, ftcore, steps, wait_for
from tests.unit.sweeps.test_local_sweeps import begin, states

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SEARCH = ("search=tpe", "search.trials=3", "lr=0.005,0.01,0.02")
LONG = {"max_steps": 800, "checkpoint__every": 100, "export__merge": "false"}


def said(capsys, *words: str) -> str:
    """What a command prints that does what it was asked to."""
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out


def steps_of(sweep: SweepDirectory, number: int) -> int:
    """Of a trial so far; 0 of one that is not made yet."""
    entries = directory.trials(sweep)
    return steps(sweep.run(entries[number])) if number < len(entries) else 0


def test_status_cancel_and_resume(tiny: Tiny, tmp_path, capsys):
    """`status` counts what is over, runs and is to come, and names the best; `cancel` lets the trial under
    way save, with `--now` ends it; `resume` goes on with it, and then asks for what is left."""
    here = ("--runs-dir", str(tmp_path))
    process, sweep = begin(tiny, tmp_path, *SEARCH, **LONG)
    wait_for(lambda: steps_of(sweep, 1) > 3, process)
    told = json.loads(said(capsys, "status", sweep.id, *here, "--json"))
    assert told["counts"] == {"completed": 1, "running": 1} and (told["total"], told["to_come"]) == (3, 1)
    assert told["best"]["trial"] == 0 and told["best"]["value"] == told["standing"][0]["value"]
    assert told["going_on"] and told["standing"][1]["progress"]["stage"] == "train"

    assert "1 points are not asked for now; 1 finish their step" in said(capsys, "cancel", sweep.id, *here)
    ended = finish(process)
    assert ended.code == 1 and f"python -m ftcore resume {sweep.id}" in ended.err
    assert "1/3 lr=" in ended.out and "2 of 3 trials are not completed" in ended.err
    assert states(sweep) == ["completed", "cancelled"]
    saved = steps_of(sweep, 1)
    assert 3 < saved < LONG["max_steps"]
    shown = said(capsys, "status", sweep.id, *here)
    assert "1 completed, 1 cancelled, 1 to come" in shown and "best: end loss" in shown
    assert f"goes on with: python -m ftcore resume {sweep.id}" in shown

    process = ftcore("resume", sweep.id, *here)
    wait_for(lambda: len(attempts(sweep, 1)) == 2 and steps_of(sweep, 1) > saved, process)
    assert main(["resume", sweep.id, *here]) == 2  # it goes on already
    assert "1 end at once" in said(capsys, "cancel", sweep.id, "--now", *here)
    assert finish(process).code == 1
    assert states(sweep) == ["completed", "cancelled"] and not standing.going_on(sweep, [])
    assert attempts(sweep, 1)[-1]["reason"] == "the sweep was cancelled"

    done = finish(ftcore("resume", sweep.id, *here))
    assert done.code == 0, done.err
    assert states(sweep) == ["completed"] * 3 and workers.left(sweep) == 0
    assert [len(attempts(sweep, number)) for number in range(3)] == [1, 3, 1]
    assert all("judged" in record.read(sweep.run(entry)) for entry in directory.trials(sweep))
    # What stood before is not told as if it had come of this.
    assert "2/3 lr=" in done.out and "1/3" not in done.out and "cancelled" not in done.out
    assert "goes on with" not in said(capsys, "status", sweep.id, *here)


def attempts(sweep: SweepDirectory, number: int) -> list[record.Record]:
    """Of a trial."""
    return record.read(sweep.run(directory.trials(sweep)[number]))["attempts"]
