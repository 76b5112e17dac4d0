"""A search over 27 real trainings: as good as the whole grid, at less than half of its steps."""

import os
import signal
import time
from pathlib import Path

import pytest

from ftcore.config.compose import load
from ftcore.runs import metrics, record
from ftcore.runs.create import Request
from ftcore.sweeps import directory, lease, local, standing, workers
from ftcore.sweeps.create import create
from ftcore.sweeps.directory import SweepDirectory
from ftcore.sweeps.local import Slot
from ftcore.sweeps.outcome import WORKER_GONE, loss_at
from ftcore.sweeps.request import request
from launchers.local import is_alive
from tests.fixtures.tiny import Tiny, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

STEPS = 60
AXES = ["lr=0.0005,0.004,0.02", "rank=2,4,8", "seed=1,2,3"]
SEARCH = ["search=asha", "search.trials=27", "search.workers=2", "search.min_steps=6", "search.reduction=3"]
NOISE = 0.03
"""Of the loss: seeds of the best learning rate and rank lie as far from each other."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    del os.environ["OMP_NUM_THREADS"]


def sweep_of(tiny: Tiny, runs: Path, *words: str) -> SweepDirectory:
    """The 27 points, frozen."""
    own = tiny.overrides(
        runs, max_steps=STEPS, export__merge="false", checkpoint__every=5, optim__gradient_accumulation=2
    )
    fixed = [word for word in own if word.partition("=")[0] not in ("lr", "rank")]
    asked = request([*words, *fixed, *AXES], None)
    trials = asked.trials if not words else []
    return create(asked, trials, Request("ftcore -m", os.getcwd()), runs)


def losses(sweep: SweepDirectory) -> dict[tuple[str, ...], float]:
    """Point -> what a search judges, of completed trials."""
    found = {}
    for entry in directory.trials(sweep):
        run = sweep.run(entry)
        if record.read(run)["state"] == "completed":
            lines = metrics.read(run.metrics)
            found[entry.point] = loss_at(lines, lines[-1]["step"], load(run.config).logging.window)
    return found


def steps(sweep: SweepDirectory) -> int:
    """Of all trials together."""
    return sum(len(metrics.read(sweep.run(entry).metrics)) for entry in directory.trials(sweep))


def test_halving_finds_the_best_of_the_grid(tiny, tmp_path, record_property):
    """Two workers, one of which is killed with what it runs in the middle of a trial."""
    sweep = sweep_of(tiny, tmp_path / "search", *SEARCH)
    both = [workers.begin(sweep, number, "cpu", Slot(())) for number in (0, 1)]

    def in_the_middle() -> bool:
        entries = directory.trials(sweep)
        numbers = [e.number for e in entries if lease.holder(sweep.path, e.number).get("worker") == "local 0"]
        entry = next((e for e in entries if numbers and e.number == numbers[-1]), None)
        return bool(entry) and len(metrics.read(sweep.run(entry).metrics)) >= 8 and entry

    killed = wait_for(in_the_middle)
    both[0].send_signal(signal.SIGKILL)
    os.killpg(int(record.read(sweep.run(killed))["launch"]["job_id"]), signal.SIGKILL)
    both[0].wait()
    assert both[1].wait(2000) == 0

    grid = sweep_of(tiny, tmp_path / "grid")
    job = local.start(grid, range(27))
    while is_alive(job, grid.path):
        time.sleep(1)

    all_points, found = losses(grid), losses(sweep)
    record_property("steps", f"{steps(sweep)} of {steps(grid)}")
    print(f"steps: {steps(sweep)} of {steps(grid)}; best: {min(found.items(), key=lambda one: one[1])},")
    print(f"of the grid: {sorted(all_points.items(), key=lambda one: one[1])[:4]}")
    assert len(all_points) == 27 and steps(grid) == 27 * STEPS
    assert len(standing.standings(sweep)) == 27
    assert {one.state for one in standing.standings(sweep)} == {"completed", "pruned"}
    assert min(found.values()) <= min(all_points.values()) + NOISE
    assert all(abs(all_points[point] - loss) < 1e-9 for point, loss in found.items())
    assert steps(sweep) <= steps(grid) / 2
    attempts = record.read(sweep.run(killed))["attempts"]
    assert WORKER_GONE in [attempt["reason"] for attempt in attempts] and len(attempts) == 2
    assert record.read(sweep.run(killed))["judged"]
