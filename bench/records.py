"""How long ftcore takes to find runs among ten thousand recorded ones.

    python bench/records.py [--runs 10000] [--repetitions 5] [--drop-caches] [--json]

The records are made here, of the shape in which ftcore makes them, the whole configuration inside. `cold` is
a listing without an index; with --drop-caches (root) nothing of the files is in memory either. Seconds are
those of whole processes, the interpreter's start included, and the processor's own beside them, since a busy
machine makes everything late. For comparison the same runs are searched with MLflow, where it is installed
with its SQL store. Nothing is asserted: the numbers are for the documentation.
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.common import machine  # noqa: E402
from ftcore.cli.commands import COMMANDS  # noqa: E402
from tests.fixtures import records  # noqa: E402

QUERY = ["lr>=5e-4", "rank=16", "--columns", "+lr,rank,optim.schedule", "--sort", "loss"]
MLFLOW_FILL = """\
import json, sqlite3, sys, uuid
from pathlib import Path
import mlflow
from mlflow.entities import Metric, Param
file, folder = sys.argv[1:]
mlflow.set_tracking_uri(f"sqlite:///{file}")
client = mlflow.MlflowClient()
first = client.create_run("0").info.run_id
client.log_batch(first, [Metric("final_loss", 1.0, 0, 0)], [Param("lr", "1")])
store = sqlite3.connect(file)
store.row_factory = sqlite3.Row
models = {
    table: dict(store.execute(f"select * from {table} where run_uuid = ?", (first,)).fetchone())
    for table in ("runs", "params", "metrics", "latest_metrics")
}
def add(table, **changed):
    row = models[table] | changed
    places = ",".join("?" * len(row))
    store.execute(f"insert into {table} ({','.join(row)}) values ({places})", [*row.values()])
for path in Path(folder).glob("*/*/record.json"):
    entry, run = json.loads(path.read_text()), uuid.uuid4().hex
    add("runs", run_uuid=run, name=entry["id"])
    for key in ("lr", "rank", "epochs", "seed", "max_length"):
        add("params", run_uuid=run, key=key, value=str(entry["config"][key]))
    if "final_loss" in entry["results"]:
        for table in ("metrics", "latest_metrics"):
            add(table, run_uuid=run, value=entry["results"]["final_loss"])
store.commit()
"""
MLFLOW_SEARCH = """\
import sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
print(len(mlflow.search_runs(["0"], sys.argv[2], max_results=50000)))
"""

Case = tuple[str, list[str], Callable[[], None]]
"""Name, command, and what is done before each time."""


def cases(folder: Path, drop_caches: bool) -> Iterator[Case]:
    """What is measured of the runs under `folder`."""
    ls = [sys.executable, "-m", "ftcore", "ls", "--runs-dir", str(folder)]

    def without_index() -> None:
        shutil.rmtree(folder / ".index", ignore_errors=True)

    def without_anything() -> None:
        without_index()
        forget()

    yield "ls, cold (no index)", ls, without_index
    if drop_caches:
        yield "ls, cold, files not in memory", ls, without_anything
        yield "ls, index, files not in memory", ls, forget
    yield "ls, warm", ls, nothing
    yield "ls --json, warm", [*ls, "--json"], nothing
    yield f"ls {' '.join(QUERY)}", [*ls, *QUERY], nothing
    ids = sorted(path.parent.name for path in folder.glob("*/*/record.json"))
    yield "status of one", [*ls[:3], "status", ids[len(ids) // 2], *ls[4:]], nothing
    if "diff" in COMMANDS:
        yield "diff of two", [*ls[:3], "diff", ids[1], ids[-1], *ls[4:]], nothing


def mlflow_cases(folder: Path, scratch: Path) -> Iterator[Case]:
    """The same runs, with five parameters and the loss of each, in MLflow's own store.

    Its tables are filled by SQL after the pattern of one run: by its client ten thousand take ten minutes.
    """
    file = scratch / "mlflow.db"
    subprocess.run([sys.executable, "-c", MLFLOW_FILL, str(file), str(folder)], check=True)
    search = [sys.executable, "-c", MLFLOW_SEARCH, f"sqlite:///{file}"]
    yield "MLflow search_runs, all", [*search, ""], nothing
    yield "MLflow search_runs, rank = 16", [*search, "params.rank = '16'"], nothing


def nothing() -> None:
    """What is done before a warm command."""


def forget() -> None:
    """Let the kernel drop what it holds of files."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def measure(case: Case, repetitions: int, env: dict[str, str]) -> dict[str, object]:
    """Wall-clock and processor seconds of one case; each warm one is run once before."""
    name, command, before = case
    wall, cpu = [], []
    for turn in range(repetitions + 1):
        before()
        used, began = processor(), time.perf_counter()
        subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
        if turn:
            wall.append(time.perf_counter() - began)
            cpu.append(processor() - used)
    return {
        "command": name,
        "median_s": round(statistics.median(wall), 3),
        "min_s": round(min(wall), 3),
        "max_s": round(max(wall), 3),
        "cpu_s": round(statistics.median(cpu), 3),
    }


def processor() -> float:
    """Seconds that ended children have had of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--drop-caches", action="store_true")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = scratch / "runs"
        size = records.write(folder, records.variants(records.template(scratch / "base"), flags.runs))
        env |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
        rows = [measure(case, flags.repetitions, env) for case in cases(folder, flags.drop_caches)]
        with_mlflow = all(importlib.util.find_spec(name) for name in ("mlflow", "sqlalchemy", "pandas"))
        if with_mlflow:
            rows += [measure(case, flags.repetitions, env) for case in mlflow_cases(folder, scratch)]
    about = {"runs": flags.runs, "megabytes": round(size / 1e6, 1), "repetitions": flags.repetitions,
             "machine": machine(), "mlflow": with_mlflow}  # fmt: skip
    if flags.json:
        print(json.dumps(about | {"rows": rows}, indent=2))
    else:
        show(about, rows)


def show(about: dict[str, object], rows: list[dict[str, object]]) -> None:
    """The rows as a table."""
    title = f"seconds, median of {about['repetitions']}; {about['runs']} runs, {about['megabytes']} MB"
    table = Table(title=title, caption=str(about["machine"]))
    for heading in ("command", "median", "fastest", "slowest", "processor"):
        table.add_column(heading, justify="left" if heading == "command" else "right")
    for row in rows:
        figures = (f"{row[key]:.3f}" for key in ("median_s", "min_s", "max_s", "cpu_s"))
        table.add_row(str(row["command"]), *figures)
    console = Console()
    console.print(table)
    if not about["mlflow"]:
        console.print("MLflow with its SQL store is not installed here: no comparison with it")


if __name__ == "__main__":
    main()
