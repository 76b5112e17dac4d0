"""How long ftcore takes to answer, beside a bare Hydra application on the same config groups.

    python bench/help_latency.py [--repetitions 15] [--json]

The bare application is a function that does nothing under `@hydra.main`, on this checkout's own `conf/`. The
commands take turns, so that a busy moment of the machine hits all of them alike; each is run once before, so
that all have their byte code. Nothing is asserted: the numbers are for the documentation.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.common import BARE_APP  # noqa: E402


def commands(folder: Path) -> dict[str, list[str]]:
    """What is measured, by name; `folder` gets the bare application."""
    app = folder / "bare_app.py"
    app.write_text(BARE_APP.format(conf=str(ROOT / "conf")))
    ftcore, bare = [sys.executable, "-m", "ftcore"], [sys.executable, str(app)]
    no_files = ["hydra.output_subdir=null", "hydra.run.dir=.", "hydra/job_logging=none"]
    return {
        "bare Hydra app, --help": [*bare, "--help"],
        "bare Hydra app, a run": [*bare, *no_files],
        "ftcore --help": [*ftcore, "--help"],
        "ftcore plan --help": [*ftcore, "plan", "--help"],
        "ftcore --cfg job": [*ftcore, "--cfg", "job"],
        "ftcore plan": [*ftcore, "plan"],
    }


BASELINE = {
    "ftcore --help": "bare Hydra app, --help",
    "ftcore plan --help": "bare Hydra app, --help",
    "ftcore --cfg job": "bare Hydra app, a run",
    "ftcore plan": "bare Hydra app, a run",
}


def measure(repetitions: int) -> dict[str, list[float]]:
    """Wall-clock seconds of each command, `repetitions` times, in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        env |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        todo = commands(folder)
        seconds: dict[str, list[float]] = {label: [] for label in todo}
        for turn in range(repetitions + 1):
            for label, command in todo.items():
                began = time.perf_counter()
                subprocess.run(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, check=True)
                if turn:
                    seconds[label].append(time.perf_counter() - began)
    return seconds


def summary(seconds: dict[str, list[float]]) -> list[dict[str, object]]:
    """A row a command: median, fastest, slowest, and the median's ratio to its baseline's."""
    medians = {label: statistics.median(times) for label, times in seconds.items()}
    return [
        {
            "command": label,
            "median_s": round(medians[label], 3),
            "min_s": round(min(times), 3),
            "max_s": round(max(times), 3),
            "against": BASELINE.get(label),
            "ratio": round(medians[label] / medians[BASELINE[label]], 2) if label in BASELINE else None,
        }
        for label, times in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    rows = summary(measure(flags.repetitions))
    if flags.json:
        print(json.dumps({"repetitions": flags.repetitions, "cpus": os.cpu_count(), "rows": rows}, indent=2))
        return
    table = Table(title=f"seconds to answer, median of {flags.repetitions}")
    for heading in ("command", "median", "fastest", "slowest", "ratio", "to"):
        table.add_column(heading, justify="left" if heading in ("command", "to") else "right")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        figures = (f"{row[key]:.3f}" for key in ("median_s", "min_s", "max_s"))
        table.add_row(str(row["command"]), *figures, ratio, str(row["against"] or ""))
    Console().print(table)


if __name__ == "__main__":
    main()
