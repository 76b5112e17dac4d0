"""Sweeps that train here: one failure is one trial's, a stop saves, a lost terminal is not missed."""

import os
import signal
from pathlib import Path

import pytest

from ftcore.runs import record
from ftcore.sweeps import directory, standing
from ftcore.sweeps.directory import SweepDirectory
from ftcore.training.checkpoint_files import every as checkpoints
from tests.fixtures.tiny import Tiny, finish, ftcore, steps, wait_for

pytestmark = pytest.mark.slow
LONG = {"max_steps": 2000, "checkpoint__every": 1000}


def begin(tiny: Tiny, runs: Path, *swept: str, **changed):
    """`ftcore -m` of a tiny experiment; the process, and the sweep as soon as it has begun."""
    words = [w for w in tiny.overrides(runs, **changed) if w.partition("=")[0] not in _keys(swept)]
    process = ftcore("-m", *words, *swept)
    sweep = wait_for(lambda: next(directory.every(runs), None), process)
    wait_for(lambda: directory.read(sweep)["jobs"], process)
    return process, sweep


def _keys(swept: tuple[str, ...]) -> set[str]:
    return {word.partition("=")[0] for word in swept}


def states(sweep: SweepDirectory) -> list[str]:
    """Of every trial, in order."""
    return [one.state for one in standing.standings(sweep)]


def test_one_that_fails(tiny, tmp_path):
    """Of two by two, the two whose data is broken fail, each with its reason; the others complete, the best
    is named, and the command says how it goes on."""
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"messages": [{"role": "user"')
    process, sweep = begin(tiny, tmp_path / "runs", "lr=0.01,0.02", f"data.path={broken},{tiny.data}")
    done = finish(process)
    assert states(sweep) == ["failed", "completed", "failed", "completed"]
    assert done.code == 1 and f"python -m ftcore resume {sweep.id}" in done.err
    assert "2 of 4 trials are not completed" in done.err and "best: lr=" in done.out
    for entry in directory.trials(sweep)[::2]:
        reason = record.read(sweep.run(entry))["attempts"][-1]["reason"]
        assert "broken.jsonl" in reason
    assert standing.missing(sweep, standing.standings(sweep)) == [0, 2]


def test_stop_of_the_controller(tiny, tmp_path):
    """SIGTERM: the trial under way saves where it is, the others stay as they are, and all are missing."""
    process, sweep = begin(tiny, tmp_path, "lr=0.01,0.02,0.03", **LONG)
    first = sweep.run(directory.trials(sweep)[0])
    wait_for(lambda: steps(first) > 3, process)
    os.kill(int(directory.read(sweep)["jobs"][0]["id"]), signal.SIGTERM)
    done = finish(process)
    assert done.code == 1 and f"resume {sweep.id}" in done.err
    assert states(sweep) == ["cancelled", "created", "created"]
    assert checkpoints(first.checkpoints) and steps(first) < LONG["max_steps"]
    assert record.read(first)["attempts"][-1]["reason"] == "the sweep was cancelled"
    assert standing.missing(sweep, standing.standings(sweep)) == [0, 1, 2]


def test_lost_terminal(tiny, tmp_path):
    """SIGKILL of the command right after it began the sweep: every trial completes all the same."""
    process, sweep = begin(tiny, tmp_path, "lr=0.01,0.02")
    process.kill()
    process.wait()
    wait_for(lambda: states(sweep) == ["completed", "completed"])
    wait_for(lambda: not standing.going_on(sweep, standing.standings(sweep)))
    assert standing.missing(sweep, standing.standings(sweep)) == []
