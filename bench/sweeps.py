"""How long a thousand trials take from the command line to the queue, and what each more of them costs.

    python bench/sweeps.py [--repetitions 1] [--hydra-trials 1000] [--growth 100,1000,10000]
                           [--folder /dev/shm] [--json]

A whole `python -m ftcore -m ...` each: expanded, checked, frozen to disk, submitted. Where Slurm's programs
are, to a real cluster of this machine's, the jobs held so that nothing trains, and taken back afterwards;
elsewhere everything but the submission. Beside it stock Hydra's `-m` of an application that does nothing, on
the same config groups and words. Seconds are those of whole processes, the interpreter's start included, and
the processor's own beside them. Runs lie below --folder: making eight files and two folders a trial is work
of its file system. Nothing is asserted: the numbers are for the documentation.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.common import BARE_APP, machine  # noqa: E402
from tests.slurm.cluster import Cluster, why_not  # noqa: E402
from tests.slurm.configuration import Settings  # noqa: E402

FIXED = ["experiment=quickstart", "hardware=cpu"]
HELD = ["cluster=slurm", "cluster.sbatch=[--hold]", "cluster.time='1:00:00'", "cluster.cpus_per_task=1"]
LIKE_A_SITE = Settings(nodes=1, max_array_size=1001, max_job_count=50_000)
"""Slurm's own MaxArraySize."""

WITHOUT_SUBMISSION = """\
import sys
from ftcore.cli import main, sweep
sweep.launch = lambda *_, **__: 0
sys.exit(main.main(sys.argv[1:]))
"""


def values(trials: int) -> list[str]:
    """Three value keys."""
    return [f"lr={_rates(10)}", f"rank={_numbers(10)}", f"seed=range(0,{trials // 100})"]


def groups(trials: int) -> list[str]:
    """Of three keys, one a group choice: four compositions."""
    return ["lora=lora,full", "precision=fp32,bf16", f"lr={_rates(10)}", f"seed=range(0,{trials // 40})"]


SWEEPS = {"three value keys": values, "a group choice among them": groups}


def _rates(count: int) -> str:
    return ",".join(f"{number}e-5" for number in range(1, count + 1))


def _numbers(count: int) -> str:
    return ",".join(str(4 * number) for number in range(1, count + 1))


class Bench:
    """Commands in an environment, each timed."""

    def __init__(self, scratch: Path, cluster: Cluster | None) -> None:
        self.scratch, self.cluster = scratch, cluster
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.env = kept | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
        self.env |= cluster.env if cluster else {}
        self._number = 0

    def ftcore(self, words: list[str], trials: int) -> dict[str, float]:
        """A sweep of `trials`, frozen under a fresh runs folder, and queued where there is a cluster."""
        self._number += 1
        runs = self.scratch / f"runs{self._number}"
        program = ["-m", "ftcore"] if self.cluster else ["-c", WITHOUT_SUBMISSION]
        place = HELD if self.cluster else ["cluster=local"]
        limit = [f"search.max_trials={trials}"]
        took = self._timed([*program, "-m", *FIXED, *place, *words, *limit, f"runs_dir={runs}"])
        frozen = sum(1 for _ in runs.glob("*/*/record.json"))
        # Beside the array's tasks waits a job that prepares their data.
        queued = sum("_" in job["id"] for job in self.cluster.squeue()) if self.cluster else trials
        if (frozen, queued) != (trials, trials):
            raise SystemExit(f"{trials} trials asked for, {frozen} frozen, {queued} queued")
        if self.cluster:
            self.cluster.reset()
        return took

    def hydra(self, words: list[str]) -> dict[str, float]:
        """The same words for an application that does nothing."""
        self._number += 1
        app = self.scratch / "bare_app.py"
        app.write_text(BARE_APP.format(conf=str(ROOT / "conf")))
        return self._timed([str(app), "-m", *FIXED, *words, f"hydra.sweep.dir={self.scratch}/{self._number}"])

    def _timed(self, words: list[str]) -> dict[str, float]:
        used, began = _processor(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, *words], env=self.env, cwd=self.scratch, capture_output=True, text=True
        )
        wall = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"{' '.join(words)[:300]}\n{done.stderr[-3000:]}")
        return {"wall_s": round(wall, 2), "cpu_s": round(_processor() - used, 2)}


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def against_hydra(bench: Bench, repetitions: int, hydra_trials: int) -> Iterator[dict[str, Any]]:
    """A row a kind of sweep: a thousand trials of ours, `hydra_trials` of Hydra's."""
    for name, words in SWEEPS.items():
        ours = [bench.ftcore(words(1000), 1000) for _ in range(repetitions)]
        theirs = bench.hydra(words(hydra_trials))
        wall = statistics.median(one["wall_s"] for one in ours)
        a_trial = {"ftcore": wall, "hydra": theirs["wall_s"] * 1000 / hydra_trials}
        yield {
            "sweep": name,
            "wall_s": wall,
            "fastest_s": min(one["wall_s"] for one in ours),
            "cpu_s": statistics.median(one["cpu_s"] for one in ours),
            "hydra_trials": hydra_trials,
            "hydra_wall_s": theirs["wall_s"],
            "hydra_cpu_s": theirs["cpu_s"],
            "hydra_times_as_long": round(a_trial["hydra"] / a_trial["ftcore"], 1),
        }


def growth(bench: Bench, sizes: list[int]) -> Iterator[dict[str, Any]]:
    """A row a size: what a trial costs in sweeps over three value keys."""
    for trials in sizes:
        took = bench.ftcore(values(trials), trials)
        yield {"trials": trials, **took, "ms_a_trial": round(1000 * took["wall_s"] / trials, 2)}


@contextmanager
def cluster() -> Iterator[Cluster | None]:
    """One where Slurm can be started; what it takes to start is not counted."""
    if why_not():
        yield None
        return
    with Cluster(settings=LIKE_A_SITE) as started:
        yield started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--hydra-trials", type=int, default=1000, help="a multiple of 200")
    parser.add_argument("--growth", default="100,1000,10000", help="numbers of trials, multiples of 100")
    parser.add_argument("--folder", help="for runs; the system's for temporary files")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    sizes = [int(size) for size in flags.growth.split(",") if size]
    about: dict[str, Any] = {"machine": machine(), "repetitions": flags.repetitions}
    with tempfile.TemporaryDirectory(dir=flags.folder) as name, cluster() as started:
        bench = Bench(Path(name), started)
        about["not_submitted"] = why_not()
        bench.ftcore(values(100), 100)  # once, for the byte code
        about["rows"] = list(against_hydra(bench, flags.repetitions, flags.hydra_trials))
        about["growth"] = list(growth(bench, sizes))
        about["machine_afterwards"] = machine()
    if flags.json:
        print(json.dumps(about, indent=2))
    else:
        show(about)


def show(about: dict[str, Any]) -> None:
    """The rows as tables."""
    console = Console()
    title = f"1000 trials, seconds; median of {about['repetitions']}"
    table = Table(title=title, caption=about["machine"])
    for heading in ("sweep", "ftcore", "processor", "Hydra -m", "trials", "times as long"):
        table.add_column(heading, justify="left" if heading == "sweep" else "right")
    for row in about["rows"]:
        figures = (row["wall_s"], row["cpu_s"], row["hydra_wall_s"], row["hydra_trials"])
        table.add_row(row["sweep"], *map(str, figures), str(row["hydra_times_as_long"]))
    console.print(table)
    table = Table(title="ftcore by trials")
    for heading in ("trials", "seconds", "processor", "ms a trial"):
        table.add_column(heading, justify="right")
    for row in about["growth"]:
        table.add_row(*(str(row[key]) for key in ("trials", "wall_s", "cpu_s", "ms_a_trial")))
    console.print(table)
    if any(row["hydra_trials"] != 1000 for row in about["rows"]):
        console.print("Hydra's seconds were multiplied up to a thousand trials for the ratio")
    if about["not_submitted"]:
        console.print(f"frozen and not submitted: {about['not_submitted']}")


if __name__ == "__main__":
    main()
