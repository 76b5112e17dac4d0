"""What `plan` predicts of a card's memory beside what training takes of it, and a step's time.

    python -m bench.plan --scratch FOLDER [--only NAMES] [--cards 0,1] [--seconds 540] [--json FILE]
    python -m bench.plan --again FILE [--again FILE] [--markdown]

Random weights of the shapes in `configurations.py` are written below --scratch (51 GB); every configuration
is trained for four steps by the real worker, as many at once as there are cards. Nothing new is begun after
--seconds. --again computes the predictions anew beside what FILE has measured, on any machine; --markdown
prints the tables of docs/plan.md.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.common import machine
from bench.plan import markdown
from bench.plan.again import again
from bench.plan.asked import model
from bench.plan.configurations import DEEPSPEED, EVERY, PLAIN, Configuration
from bench.plan.model import write_rows
from bench.plan.table import errors, table
from ftcore.hardware.detect import this_machine

ROOT = Path(__file__).parents[2]
CHUNK = 3
"""Configurations of a lane: it imports once for all, and lanes are what the cards share out."""


def flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.plan", description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, default=ROOT / "runs" / ".bench-plan")
    parser.add_argument("--only", default=None, help="names of configurations, with commas between")
    parser.add_argument("--cards", default="0")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    parser.add_argument("--again", type=Path, action="append", metavar="FILE")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def main() -> None:
    given = flags()
    console = Console(width=None if sys.stdout.isatty() else 160)
    if given.again:
        kept = [json.loads(file.read_text(encoding="utf-8")) for file in given.again]
        cards = {one["about"]["card"].split()[1]: again(one) for one in kept}
    else:
        cards = {"": measure(given, given.scratch.resolve(), given.cards.split(","))}
    if given.markdown:
        print(markdown.memory(cards), markdown.time(cards), sep="\n\n")
        return
    for rows in cards.values():
        console.print(table(rows))
        console.print(errors(rows))


def measure(given: argparse.Namespace, scratch: Path, cards: list[str]) -> list[dict[str, Any]]:
    """Rows of all that there was time and room for, kept in --json as they come."""
    until = time.monotonic() + given.seconds
    names = given.only.split(",") if given.only else [one.name for one in EVERY]
    wanted = [one for one in EVERY if one.name in names and one.devices <= len(cards)]
    scratch.mkdir(parents=True, exist_ok=True)
    results = scratch / "rows.jsonl"
    results.unlink(missing_ok=True)
    _write_models(wanted, scratch, cards)
    alone = [one for one in wanted if one.devices == 1]
    _lanes(alone, scratch, results, [[card] for card in cards], until)
    _lanes([one for one in wanted if one.devices > 1], scratch, results, [cards], until)
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    rows = [json.loads(line) for line in lines]
    order = [one.name for one in EVERY]
    rows.sort(key=lambda row: order.index(row["name"]))
    if given.json:
        card = this_machine().devices("cuda")[0]
        about = {"machine": machine(), "card": card.card, "memory_gib": card.memory_gib, "arch": card.arch}
        given.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return rows


def _write_models(wanted: list[Configuration], scratch: Path, cards: list[str]) -> None:
    missing = [s for s in dict.fromkeys(one.shape for one in wanted) if not model(scratch, s).is_dir()]
    writing = [
        subprocess.Popen([sys.executable, "-m", "bench.plan.model", str(scratch), shape], env=_env([card]))
        for shape, card in zip(missing, cards * len(missing), strict=False)
    ]
    write_rows(scratch)
    for process in writing:
        if process.wait():
            raise SystemExit("bench.plan: a model could not be written")


def _lanes(
    wanted: list[Configuration], scratch: Path, results: Path, places: list[list[str]], until: float
) -> None:
    """Chunks of one group each, shared out over `places` (cards that a process sees)."""
    todo: queue.SimpleQueue[list[Configuration]] = queue.SimpleQueue()
    ordered = sorted(wanted, key=lambda one: (one.group != PLAIN, one.group != DEEPSPEED, one.shape))
    for _, group in groupby(ordered, key=lambda one: one.group):
        members = list(group)
        for start in range(0, len(members), CHUNK):
            todo.put(members[start : start + CHUNK])

    def work(cards: list[str]) -> None:
        while time.monotonic() < until:
            try:
                chunk = todo.get_nowait()
            except queue.Empty:
                return
            names = ",".join(one.name for one in chunk)
            command = [sys.executable, "-m", "bench.plan.lane", str(scratch), str(results), names]
            with subprocess.Popen([*command, str(until - time.monotonic())], env=_env(cards)) as process:
                process.wait()

    threads = [threading.Thread(target=work, args=(cards,)) for cards in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _env(cards: list[str]) -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])
    return os.environ | {
        "CUDA_VISIBLE_DEVICES": ",".join(cards), "PYTHONPATH": path, "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }  # fmt: skip


if __name__ == "__main__":
    main()
