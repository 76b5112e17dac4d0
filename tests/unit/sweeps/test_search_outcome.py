"""What a search is told of a trial, by its record."""

import math

import pytest

from ftcore.sweeps.outcome import (
    SWEEP_STOPPED,
    WORKER_GONE,
    Outcome,
    accelerator_hours,
    loss_at,
    lost,
    outcome,
    rungs,
)
from ftcore.sweeps.watch import last_step

AT_6 = "pruned at step 6"
EVALUATED = {"evaluation": {"share": 0.5}}
LINES = [{"step": step, "loss": float(step)} for step in range(1, 11)]


def entry(state: str, reason: str | None = None, **more):
    attempts = [{"state": state, "reason": reason, "started": "2026-11-24T06:00:00+00:00",
                 "ended": "2026-11-24T06:30:00+00:00"}]  # fmt: skip
    launch = {"nodes": 2, "tasks_per_node": 4}
    return {"state": state, "attempts": attempts, "results": {}, "error": None, "launch": launch, **more}


def fail(reason: str) -> Outcome:
    return Outcome("fail", None, reason)


@pytest.mark.parametrize(
    ("given", "asked", "metric", "told"),
    [
        (entry("completed"), None, "loss", Outcome("complete", 9.0)),
        (entry("completed"), {"pruned": 6}, "loss", Outcome("complete", 9.0)),
        (entry("completed", results=EVALUATED), None, "evaluation.share", Outcome("complete", 0.5)),
        (entry("completed"), None, "evaluation.share", fail("its results have no evaluation.share")),
        (entry("completed", results={"a": math.nan}), None, "a", fail("a is nan")),
        (entry("cancelled", AT_6), {"pruned": 6}, "loss", Outcome("pruned", None, AT_6)),
        (entry("cancelled", SWEEP_STOPPED), {}, "loss", None),
        (entry("cancelled", "cancelled by the user"), {}, "loss", fail("cancelled by the user")),
        (entry("failed", "out of memory"), None, "loss", fail("out of memory")),
        (entry("preempted", "signal SIGUSR2"), None, "loss", None),
        (entry("running"), None, "loss", None),
        (entry("created", attempts=[]), None, "loss", None),
    ],
)  # fmt: skip
def test_outcome(given, asked, metric, told):
    """Ends of its own are told; what is to go on is not."""
    assert outcome(given, asked, LINES, metric, window=3) == told


def test_lost():
    """A run without a word of its own went with its worker; one that says what failed did not."""
    died, wrong = {"type": "ProcessDied"}, {"type": "ValueError"}
    assert (
        lost(entry("running")) and lost(entry("preempted", WORKER_GONE)) and lost(entry("failed", error=died))
    )
    assert not lost(entry("failed", error=wrong)) and not lost(entry("completed"))


def test_figures():
    """The mean over the window up to a step; rungs; what all ranks together took."""
    assert loss_at(LINES, 5, 3) == 4.0 and loss_at(LINES, 2, 10) == 1.5 and math.isnan(loss_at([], 5, 3))
    found = rungs(6, 3)
    assert [next(found) for _ in range(3)] == [6, 18, 54]
    assert accelerator_hours(entry("completed")) == 4.0


def test_last_step(tmp_path):
    """A line that is being written does not count."""
    assert last_step(tmp_path / "none") == 0
    (tmp_path / "m").write_text('{"step": 1}\n{"step": 2}\n{"step": 3')
    assert last_step(tmp_path / "m") == 2
