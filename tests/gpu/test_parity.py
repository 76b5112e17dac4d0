"""The quickstart's model and data, trained by each set of kernels: a real model, three seeds, one GPU."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from ftcore.runs import metrics, record
from ftcore.runs.directory import every

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

SEEDS = (1, 2, 3)
KERNELS = ("stock", "fast", "fast_fp8")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(kernels, seed) -> the run; all at once, since no time is taken."""
    place = tmp_path_factory.mktemp("parity")
    cache = f"cache_dir={place / 'cache'}"
    begun = {}
    for kernels in KERNELS:
        for seed in SEEDS:
            words = [
                f"kernels={kernels}",
                f"seed={seed}",
                f"name={kernels}-{seed}",
                f"runs_dir={place}",
                cache,
            ]
            command = [
                sys.executable,
                "-m",
                "ftcore",
                *words,
                "evaluation.refusal_cases=4",
                "export.merge=false",
            ]
            log = open(place / f"{kernels}-{seed}.txt", "w")  # noqa: SIM115
            begun[kernels, seed] = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "2"}
            )
    for (kernels, seed), process in begun.items():
        assert process.wait() == 0, (place / f"{kernels}-{seed}.txt").read_text()[-3000:]
    found = {run.name: run for run in every(place)}
    return {(kernels, seed): found[f"{kernels}-{seed}"] for kernels in KERNELS for seed in SEEDS}


def losses(run) -> list[float]:
    return [line["loss"] for line in metrics.read(run.metrics)]


def tools(run) -> int:
    return record.read(run)["results"]["evaluation"]["tuned"]["right_tool"]["count"]


@pytest.mark.parametrize(("kernels", "most"), [("fast", 0.01), ("fast_fp8", 0.02)])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_loss_of_every_step(runs, kernels, most, seed):
    ours, theirs = losses(runs[kernels, seed]), losses(runs["stock", seed])
    apart = [abs(one - other) / other for one, other in zip(ours, theirs, strict=True)]
    print(f"\n{kernels}, seed {seed}: at most {max(apart):.4f}, mean {statistics.fmean(apart):.4f}")
    assert max(apart) < most


def test_what_is_held_out(runs):
    """Right tools of the cases held out: as far apart as seeds are, not further."""
    scores = {one: [tools(runs[one, seed]) for seed in SEEDS] for one in KERNELS}
    print(f"\n{scores}")
    spread = max(statistics.stdev(scores["stock"]), 1.0)
    for kernels in KERNELS[1:]:
        assert abs(statistics.fmean(scores[kernels]) - statistics.fmean(scores["stock"])) <= 2 * spread


def test_what_was_used(runs):
    for kernels in KERNELS[1:]:
        used = record.read(runs[kernels, 1])["results"]["kernels"]
        assert used["layers"] == used["loss"] == "fused"
        assert used["frozen_weights"] == ("fp8" if kernels == "fast_fp8" else "native")
